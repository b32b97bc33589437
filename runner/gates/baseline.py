"""How the tests end on the base: run once, then remembered outside of anything a sandbox sees."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from runner import __version__
from runner.records.results import Baseline

KEPT = 64
MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Baselines:
    """A directory of the product's own, mode 0700; None = nothing is remembered."""

    directory: Path | None = None

    def get(self, about: str) -> Baseline | None:
        """A file that is broken, or that others could have written, is none."""
        if self.directory is None:
            return None
        try:
            handle = os.open(self._path(about), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(handle, "rb") as file:
                status = os.fstat(handle)
                if status.st_uid != os.geteuid() or status.st_mode & 0o022:
                    return None
                return Baseline.model_validate_json(file.read(MOST_BYTES))
        except (OSError, ValidationError):
            return None

    def keep(self, about: str, baseline: Baseline) -> None:
        """A full disk is no reason to stop: it is run again next time."""
        if self.directory is None:
            return
        path = self._path(about)
        partial = path.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.unlink(missing_ok=True)
            number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(number, "wb") as file:
                file.write(baseline.canonical())
            partial.replace(path)
            self._forget()

    def _forget(self) -> None:
        assert self.directory is not None
        old = sorted(self.directory.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in old[:-KEPT]:
            path.unlink(missing_ok=True)

    def _path(self, about: str) -> Path:
        assert self.directory is not None
        name = hashlib.sha256(f"{__version__}\n{about}".encode(errors="replace")).hexdigest()
        return self.directory / f"{name}.json"


FORGETFUL = Baselines()
