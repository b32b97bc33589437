"""Reads what a person named, and nothing else: regular files of bounded size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from runner.errors import ConfigError
from runner.records.paths import encode_path


def shown(path: Path | str) -> str:
    """A file name for messages: one printable line, whatever bytes it is made of."""
    return encode_path(os.fsencode(path))


def read_bounded(path: Path, max_bytes: int, *, follow: bool) -> bytes | None:
    """The content of a regular file, None when there is none.

    1. A symbolic link is followed only on request, a FIFO is never waited for; a link to nothing
       is not nothing.
    2. The kind and size are those of the opened file, not of the name.
    3. Never more than `max_bytes` are read, whatever the size said.

    Raises:
        ConfigError: not a regular file, too big, or unreadable.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError as error:
        for place in (path, *path.parents):
            if os.path.islink(place) and not os.path.exists(place):
                raise ConfigError(f"{shown(place)} is a link to nothing", "restore it") from error
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{shown(path)} is not a regular file", "name a text file")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = b"" if status.st_size > max_bytes else file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if status.st_size > max_bytes or len(data) > max_bytes:
        raise ConfigError(f"{shown(path)} is larger than {max_bytes} bytes", "shorten it")
    return data


def _unreadable(path: Path, error: OSError) -> ConfigError:
    if error.errno == errno.ELOOP:
        return ConfigError(f"{shown(path)} is a symbolic link", "name the file it points to")
    return ConfigError(f"cannot read {shown(path)}: {error.strerror}", "check the path")
