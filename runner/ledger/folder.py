"""One run's evidence on disk: `STATE/runs/RUN/`, mode 0700, every file written atomically."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runner import live
from runner.errors import ConfigError, InfraError
from runner.lifetime import standing, this_process
from runner.records.base import RunId

if TYPE_CHECKING:
    from runner.ledger.keys import Signer
    from runner.ledger.recording import Log
    from runner.records.report import RunReport

PLAN = "plan.json"
EVENTS = "events.jsonl"
REVIEW_EVENTS = "review-events.jsonl"
BROKER = "broker.jsonl"
TESTS = "tests.log"
PATCH = "patch"
REPORT = "report.json"
STORY = "report.md"
RECEIPT = "receipt.json"
OWNER = "owner"
SO_FAR = "so-far.json"
"""What a run that goes on has come to; whoever finds it abandoned tells it."""

RESERVE = ".reserve"
RESERVE_BYTES = 1024 * 1024
"""Kept free for report and receipt: what fills the disk must not keep a run from being sealed."""
STAGING, PARTIAL = ".new-", ".tmp-"
"""How names begin that nobody needs once their process is gone."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MAX_READ_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The port `Folder`. `tell` makes report.md; a folder opened only for reading needs none."""

    path: Path
    tell: Callable[[RunReport], str] | None = None
    signer: Signer | None = None
    ledger: Log | None = None
    """None = it is opened when the run is sealed."""
    address: str | None = None
    """Where that is then; None = where the state directory keeps it."""

    @staticmethod
    def create(
        state: Path, run: RunId, tell: Callable[[RunReport], str] | None = None
    ) -> RunFolder:
        """A new folder that appears whole: with its `owner` and reserve inside or not at all.

        Raises:
            ConfigError: the run exists, its name is not one, or the signing key is not private.
            InfraError: the state directory cannot be written.
        """
        from runner.ledger.keys import local_signer

        path = state / "runs" / _checked(run)
        signer = local_signer(state)
        with on_disk(path):
            private_directory(path.parent)
            staging = Path(tempfile.mkdtemp(prefix=f"{STAGING}{run}-", dir=path.parent))
        try:
            RunFolder(staging).write(OWNER, this_process().encode())
            with on_disk(path):
                _reserve(staging / RESERVE)
                _publish(staging, path)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        return RunFolder(path, tell, signer)

    @property
    def run(self) -> RunId:
        return RunId(self.path.name)

    @property
    def state(self) -> Path:
        return self.path.parent.parent

    @property
    def keyid(self) -> str:
        """Of the key that will sign for it; empty = it is only read."""
        return self.signer.keyid if self.signer else ""

    def write(self, name: str, content: bytes) -> Path:
        """Atomically and durably; an existing file is replaced.

        Raises:
            InfraError: the disk is full or not writable.
        """
        target = self.path / _checked(name)
        with on_disk(target):
            replace(target, content)
        return target

    def open(self, name: str) -> BufferedReader:
        """A regular file for reading; links are not followed, nothing is waited for.

        Raises:
            ConfigError: this run has no such file.
            InfraError: it cannot be read.
        """
        target = self.path / _checked(name)
        try:
            return _opened(target)
        except FileNotFoundError:
            raise ConfigError(
                f"run {self.run} has no {name}: it ended (or is) before that",
                f"codex-runner show {self.run}",
            ) from None
        except OSError as error:
            raise InfraError(
                f"cannot read {target}: {error.strerror}", "restore it as a plain file"
            ) from error

    def read(self, name: str) -> bytes | None:
        """A file whole, None when absent.

        Raises:
            InfraError: it cannot be read, or is larger than 256 MiB.
        """
        try:
            file = self.open(name)
        except ConfigError:
            return None
        with file, on_disk(self.path / name):
            content = file.read(_MAX_READ_BYTES + 1)
        if len(content) > _MAX_READ_BYTES:
            raise InfraError(f"{self.path / name} is larger than 256 MiB", "look at it yourself")
        return content

    def owned(self) -> bool:
        """May the process that made it still run? Not when its lease is free, or its name a dead
        one's: then who holds the lease is cleaning up."""
        name = (self.read(OWNER) or b"").decode(errors="replace")
        return standing(name) != "dead" and live.held(self.state / live.LIVE, self.run) is not False

    def seal(self, report: RunReport) -> Path:
        """Writes report.json, the signed receipt.json and report.md; returns the receipt.

        Sealing again replaces each file. The receipt comes before the ledger and report.md:
        whatever happens there, the evidence exists. What was reserved on the disk is used now.
        """
        from runner.ledger import receipt, recording
        from runner.ledger.keys import local_signer

        with on_disk(self.path):
            (self.path / RESERVE).unlink(missing_ok=True)

        sealed = receipt.seal(report, self, self.signer or local_signer(self.state))
        recording.finish(self, report, self.ledger)
        with on_disk(self.path):
            (self.path / SO_FAR).unlink(missing_ok=True)
        if self.tell is not None:
            self.write(STORY, self.tell(report).encode(errors="backslashreplace"))
        return sealed

    def condition(self) -> Literal["sealed", "running", "abandoned"]:
        """Sealed = it has a receipt; else its process decides."""
        if (self.path / RECEIPT).is_file():
            return "sealed"
        return "running" if self.owned() else "abandoned"

    def tidy(self) -> None:
        """Remove what a process that was killed had half written; only when it is gone."""
        with on_disk(self.path):
            for left in self.path.parent.glob(f"{STAGING}{self.run}-*"):
                shutil.rmtree(left)
            for partial in self.path.glob(f"{PARTIAL}*"):
                partial.unlink(missing_ok=True)


def folders(state: Path) -> tuple[RunFolder, ...]:
    """All runs, newest first."""
    try:
        entries = list(os.scandir(state / "runs"))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise InfraError(f"cannot read {state}/runs: {error.strerror}", "check --state") from error
    names = [e.name for e in entries if _NAME.fullmatch(e.name) and e.is_dir(follow_symlinks=False)]
    return tuple(RunFolder(state / "runs" / name) for name in sorted(names, reverse=True))


def find(state: Path, prefix: str | None) -> RunFolder:
    """The run with this id or unique beginning of one; None = the latest.

    Raises:
        ConfigError: none, or several.
    """
    known = folders(state)
    if not known:
        raise ConfigError(f"no runs in {state}", "start one: codex-runner run, or give --state")
    if prefix is None:
        return known[0]
    matching = [f for f in known if f.run.startswith(prefix)] if prefix else []
    exact = [f for f in matching if f.run == prefix]
    if not matching:
        raise ConfigError(f"no run {prefix!r} in {state}", "list them with `codex-runner list`")
    if len(matching) > 1 and not exact:
        some = ", ".join(f.run for f in matching[:3])
        raise ConfigError(
            f"{prefix!r} fits {len(matching)} runs: {some}{' ...' if len(matching) > 3 else ''}",
            "give more characters of the run's id",
        )
    return (exact or matching)[0]


def private_directory(path: Path) -> None:
    """`path` with mode 0700, and what is missing above it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def replace(target: Path, content: bytes) -> None:
    """Temporary file, fsync, rename, fsync of the directory; mode 0600."""
    number, temporary = tempfile.mkstemp(prefix=PARTIAL, dir=target.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_directory(target.parent)


@contextmanager
def on_disk(path: Path) -> Iterator[None]:
    """An operating system's refusal in the words of this product."""
    try:
        yield
    except OSError as error:
        raise InfraError(
            f"cannot use {path}: {error.strerror}",
            f"free space or mend the permissions of {path.parent}, or choose another --state",
        ) from error


def _opened(path: Path) -> BufferedReader:
    """Not a pipe that never ends, or a device."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(number, "rb")


def _reserve(path: Path) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(number, 0, RESERVE_BYTES)
    finally:
        os.close(number)


def _publish(staging: Path, path: Path) -> None:
    try:
        os.rename(staging, path)  # fails when the run exists: a run folder is never empty
    except OSError as error:
        if not path.exists():
            raise
        raise ConfigError(f"run {path.name} exists in {path.parent}", "start it again") from error
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    number = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"not a name for the state directory: {name[:99]!r}", "use a-z 0-9 . _ -")
    return name
