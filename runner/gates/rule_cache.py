"""Compiled secret rules that all state directories of a user share: seconds of CPU, spent once.

They decide what counts as a secret, so a file is believed only where nobody else can have put it:
1. The directory is this user's own and closed to all others, no link, and in no work tree of git:
   a checkout could bring one along. No sandbox sees it, or any other part of a home.
2. The file is a regular one of this user, which nobody else can write, and its name has the digest
   of its bytes.
3. It is copied into the state directory and used there only; the compiler looks once more whether
   it is of the very same rules and version, by the first part of its name.
4. What is not believed is left alone, compiled anew, and replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PLACE = "codex-runner/rules"
"""Below XDG_CACHE_HOME, or ~/.cache without one."""
MAX_BYTES = 64 * 1024 * 1024
MOST = 4
"""Versions that are kept."""
_COMPILED = "*.vscdb"
_ENTRY = re.compile(r"([0-9a-z]{8,64}\.vscdb)\.([0-9a-f]{64})")


def is_cold(rules: Path) -> bool:
    """Nothing is compiled there."""
    return not any(rules.glob(_COMPILED))


def fetch(rules: Path) -> None:
    """What is shared and can be believed, into a directory of the state."""
    with suppress(OSError), _opened() as directory:
        for entry in _entries(directory):
            name, digest = entry.groups()
            if not os.path.lexists(rules / name):
                content = _believed(directory, entry[0], digest)
                if content is not None:
                    _write(rules, name, content)


def keep(rules: Path) -> None:
    """What was compiled there is shared from now on; where that cannot be, it is not."""
    with suppress(OSError), _opened(make=True) as directory:
        for path in rules.glob(_COMPILED):
            content = path.read_bytes()
            _write(
                _name_of(directory), f"{path.name}.{hashlib.sha256(content).hexdigest()}", content
            )
        for entry in _entries(directory)[MOST:]:
            os.unlink(entry[0], dir_fd=directory)


@contextmanager
def _opened(*, make: bool = False) -> Iterator[int]:
    """Raises OSError: it is not there, or not to be believed."""
    place = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / PLACE
    if not place.is_absolute() or any(os.path.lexists(up / ".git") for up in place.parents):
        raise PermissionError("in a work tree")
    if make:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(directory)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise PermissionError("open to others")
        yield directory
    finally:
        os.close(directory)


def _name_of(directory: int) -> Path:
    """The very directory that was looked at, whatever its name leads to by now."""
    return Path(f"/proc/self/fd/{directory}")


def _entries(directory: int) -> list[re.Match[str]]:
    """The newest first."""
    found = [match for name in os.listdir(directory) if (match := _ENTRY.fullmatch(name))]

    def age(entry: re.Match[str]) -> int:
        return -os.stat(entry[0], dir_fd=directory, follow_symlinks=False).st_mtime_ns

    return sorted(found, key=age)


def _believed(directory: int, entry: str, digest: str) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(entry, flags, dir_fd=directory), "rb") as file:
        status = os.fstat(file.fileno())
        mine = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if not mine or status.st_mode & 0o022 or status.st_size > MAX_BYTES:
            return None
        content = file.read(MAX_BYTES + 1)
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _write(directory: Path, name: str, content: bytes) -> None:
    """Whole or not at all."""
    draft = directory / f"{name}.{secrets.token_hex(8)}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(draft, directory / name)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
