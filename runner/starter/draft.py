"""A file that would be written: beside what is there, as a diff, and then in its place.

1. No component of its path may be a link, what is in its place must be a regular file.
2. What is written over is what was shown: anything else there by now is an error.
3. It appears whole or not at all.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path, PurePosixPath
from typing import Literal

from runner.errors import ConfigError
from runner.records.paths import encode_path
from runner.starter.tree import Read
from runner.text import visible

MAX_BYTES = 64 * 1024
State = Literal["new", "same", "different"]
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Draft:
    """One file below `root`."""

    root: Path
    path: str
    """From the root: `.github/workflows/codex-runner.yml`."""
    text: str
    old: bytes | None
    """What is there; None = nothing."""

    @property
    def state(self) -> State:
        if self.old is None:
            return "new"
        return "same" if self.old == self.text.encode() else "different"

    def diff(self) -> str:
        """Unified, nothing in it invisible; empty when nothing would change."""
        if self.state == "same":
            return ""
        old = "" if self.old is None else visible(self.old.decode(errors="backslashreplace"))
        before = "/dev/null" if self.old is None else f"a/{self.path}"
        rows = list(unified_diff(_rows(old), _rows(self.text), before, f"b/{self.path}"))
        return "".join(map(_whole, rows)) or f"{self.path} differs in white space only\n"

    def write(self, read: Read) -> None:
        """Raises ConfigError: something else is there by now, or it cannot be written.
        OSError: the disk is full."""
        if draft(self.root, self.path, self.text, read).old != self.old:
            problem = f"{_shown(self.root / self.path)} was changed while this was waiting"
            raise ConfigError(problem, "run the command again")
        try:
            _put(self.root / self.path, self.text.encode())
        except OSError as error:
            if error.errno in _FULL:
                raise
            raise _unwritable(self.root / self.path, error) from error


def draft(root: Path, path: str, text: str, read: Read) -> Draft:
    """Look at what is there.

    Raises:
        ConfigError: a link, a directory, a device or more than 64 KiB is in its place or on its
            way, or nothing may be written there.
    """
    place = root
    nearest = root
    *above, name = PurePosixPath(path).parts
    for part in above:
        place = place / part
        if (mode := _mode(place)) is not None:
            _require(place, mode, stat.S_ISDIR(mode), "a directory")
            nearest = place
    target = place / name
    if (mode := _mode(target)) is not None:
        _require(target, mode, stat.S_ISREG(mode), "a regular file")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(nearest, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return Draft(root, path, text, read(target, MAX_BYTES))


def _rows(text: str) -> list[str]:
    """With their line ends; the last may have none."""
    *rows, last = text.split("\n")
    return [*(f"{row}\n" for row in rows), *([last] if last else [])]


def _whole(row: str) -> str:
    return row if row.endswith("\n") else f"{row}\n\\ No newline at end of file\n"


def _require(place: Path, mode: int, good: bool, what: str) -> None:
    if stat.S_ISLNK(mode):
        remedy = f"put {what} in its place, or move it away"
        raise ConfigError(
            f"{_shown(place)} is a symbolic link: nothing is written through it", remedy
        )
    if not good:
        raise ConfigError(f"{_shown(place)} is not {what}", "move it away")


def _mode(path: Path) -> int | None:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot look at {_shown(path)}: {error.strerror}", "mend it") from error


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = _mode(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if mode is not None:
            fresh.chmod(stat.S_IMODE(mode))
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise


def _unwritable(path: Path, error: OSError) -> ConfigError:
    problem = f"cannot write {_shown(path)}: {error.strerror}"
    return ConfigError(problem, "make it writable for you, or use a checkout of your own")


def _shown(path: Path) -> str:
    return encode_path(os.fsencode(path))
