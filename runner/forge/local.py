"""Requests as files beside a bare repository: `repo.git.requests/BRANCH.md` and `.json`."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from runner.errors import ConfigError, InfraError
from runner.ports import Request
from runner.records.report import Publication


@dataclass(frozen=True, slots=True)
class LocalForge:
    """The port `Forge` without a forge. `directory` replaces the one beside the repository."""

    remote: str
    """Path or `file://` URL of the bare repository."""
    directory: Path | None = None

    def token(self) -> None:
        """None: whoever may write the directory may open requests."""
        return

    def open(self, request: Request) -> Publication:
        """Writes the request's two files, or finds those of the same branch.

        Raises:
            ConfigError: the remote is not on this machine.
            InfraError: the files cannot be written.
        """
        home = self.directory or _beside(self.remote)
        # `/` is the only character of a ref name that a file name cannot have; quoting is
        # injective, so that two branches never share a file.
        stem = home / quote(request.branch, safe="")
        try:
            home.mkdir(parents=True, exist_ok=True)
            with _locked(home):
                return self._opened(request, home, stem)
        except OSError as error:
            raise InfraError(
                f"cannot write the request to {home}: {error.strerror}",
                "mend its permissions or free space, then run again",
            ) from error

    def _opened(self, request: Request, home: Path, stem: Path) -> Publication:
        known = _numbers(home)
        number = known.get(request.branch)
        story = stem.with_name(stem.name + ".md")
        if number is None:
            number = max(known.values(), default=0) + 1
            facts = {**asdict(request), "number": number, "remote": self.remote, "state": "open"}
            facts["opened_at"] = datetime.now(UTC).isoformat(timespec="seconds")
            made = stem.with_name(stem.name + ".json")
            try:
                _write(story, f"# {escape(request.title, quote=False)}\n\n{request.body}")
                _write(made, json.dumps(facts, indent=2) + "\n")
            except BaseException:  # ^C included: its branch is taken back
                made.unlink(missing_ok=True)
                story.unlink(missing_ok=True)
                raise
        return Publication(
            remote=self.remote,
            ref=f"refs/heads/{request.branch}",
            commit=request.commit,
            url=str(story),
            number=number,
            created=request.branch not in known,
        )


def _beside(remote: str) -> Path:
    parts = urlsplit(remote)
    path = Path(unquote(parts.path) if parts.scheme == "file" else remote)
    if not path.is_dir():
        raise ConfigError(
            f"the remote {remote!r} is not a directory of this machine",
            "the local forge needs a bare repository as remote: git init --bare DIR",
        )
    path = path.resolve()
    return path.with_name(path.name + ".requests")


def _numbers(home: Path) -> dict[str, int]:
    """Branch -> number of every request; the JSON file, written last, is what makes one."""
    known: dict[str, int] = {}
    for path in home.glob("*.json"):
        try:
            number = json.loads(path.read_bytes())["number"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(number, int):
            known[unquote(path.stem)] = number
    return known


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    number = os.open(home / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _write(path: Path, text: str) -> None:
    number, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(text.encode(errors="backslashreplace"))
            os.fchmod(number, 0o644)
            file.flush()
            os.fsync(number)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
