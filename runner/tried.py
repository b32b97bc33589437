"""What was tried on this machine and worked, so that it need not be tried again in every run.

Only successes are kept, and only until the next boot or kernel. A file that somebody else owns or
may write to is not believed: it would say that a sandbox nobody looked at holds.
"""

from __future__ import annotations

import json
import os
import platform
import stat
from dataclasses import dataclass
from pathlib import Path

KEPT = 16
MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Tried:
    """A small file of keys. A broken or missing file is an empty one."""

    file: Path

    def worked(self, what: str) -> bool:
        return _here(what) in self._keys()

    def remember(self, what: str) -> None:
        """Two runs at once may lose one of two keys: it is tried again then."""
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = self.file.with_suffix(f".{os.getpid()}")
        partial.unlink(missing_ok=True)
        number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(number, "w") as file:
            json.dump([*self._keys(), _here(what)][-KEPT:], file)
        partial.replace(self.file)

    def _keys(self) -> list[str]:
        try:
            known = json.loads(_own(self.file))
        except (OSError, ValueError, RecursionError):
            return []
        return [key for key in known if isinstance(key, str)] if isinstance(known, list) else []


def _own(path: Path) -> bytes:
    """Content of a regular file that only this user may write; empty of every other."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        found = os.fstat(number)
        own = found.st_uid == os.geteuid() and not found.st_mode & 0o022
        return file.read(MOST_BYTES) if own and stat.S_ISREG(found.st_mode) else b""


def _here(what: str) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{what} uid {os.geteuid()} kernel {platform.release()} boot {boot}"
