"""What was tried on this machine and worked, so that it need not be tried again in every run.

Only successes are kept, and only until the next boot or kernel; a stale one fails when it is used.
"""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

KEPT = 16


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
        partial.write_text(json.dumps([*self._keys(), _here(what)][-KEPT:]))
        partial.replace(self.file)

    def _keys(self) -> list[str]:
        try:
            known = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return []
        return [key for key in known if isinstance(key, str)] if isinstance(known, list) else []


def _here(what: str) -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{what} uid {os.geteuid()} kernel {platform.release()} boot {boot}"
