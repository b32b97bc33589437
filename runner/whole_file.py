"""Small files, read and written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_small(path: Path, most_bytes: int) -> bytes:
    """A regular file; no link is followed, and nothing is waited for.

    Raises:
        OSError: it is none, empty, or larger than that.
    """
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        regular = stat.S_ISREG(os.fstat(number).st_mode)
        content = file.read(most_bytes + 1) if regular else b""
    if not content or len(content) > most_bytes:
        raise OSError(errno.EINVAL, "empty, too large, or no regular file", str(path))
    return content


def write_whole(path: Path, partial: Path, content: bytes) -> None:
    """Mode 0600, durable; `partial` is on the same file system and is gone afterwards.

    Raises:
        OSError: it cannot be written; then `path` is what it was.
    """
    number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
