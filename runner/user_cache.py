"""Files that all state directories of a user share: what takes long to compute, computed once.

They are believed only where nobody else can have put them: the directory is this user's own and
closed to all others, no link, and in no work tree of git, since a checkout could bring one along;
the file is a regular one of this user, which nobody else can write. No sandbox sees either.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened(place: str, *, make: bool = False) -> Iterator[int]:
    """A directory below XDG_CACHE_HOME, or ~/.cache without one: `codex-runner/rules`.

    Raises OSError: it is not there, or not to be believed.
    """
    path = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / place
    if not path.is_absolute() or any(os.path.lexists(up / ".git") for up in path.parents):
        raise PermissionError("in a work tree")
    if make:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(directory)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise PermissionError("open to others")
        yield directory
    finally:
        os.close(directory)


def name_of(directory: int) -> Path:
    """The very directory that was looked at, whatever its name leads to by now."""
    return Path(f"/proc/self/fd/{directory}")


def read(directory: int, name: str, most_bytes: int) -> bytes | None:
    """A file's content; None = it is not to be believed. Raises OSError: there is none."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as file:
        status = os.fstat(file.fileno())
        mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not mine or status.st_mode & 0o022 or status.st_size > most_bytes:
            return None
        return file.read(most_bytes + 1)


def write(directory: Path, name: str, content: bytes) -> None:
    """Whole or not at all. Raises OSError."""
    draft = directory / f"{name}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(draft, directory / name)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
