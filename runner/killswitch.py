"""The kill switch: small files that stop runs and requests, looked at by all that could go on.

1. A kill is a file of its own, `STATE/kill/ID.json`: in force from the moment it is there, after
   every restart, until it is lifted.
2. It is lifted by an envelope beside it, `ID.lift`, if that is an administrator's (`Lifts`). Taking
   its file away lifts nothing where it was seen; who starts asks the ledger besides.
3. `STATE/kill/STOP`, and a file that the settings name, stop everything as long as they are there.
4. What cannot be read, or is not understood, stops everything and says what to mend.
"""

from __future__ import annotations

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import ConfigError
from runner.killfile import DIRECTORY, KILL, STOP, canonical, keep, pull
from runner.records.base import Sha256
from runner.records.kill import Kill, KillId, Scope, Target
from runner.whole_file import read_small

LIFT = ".lift"
FILE, BROKEN = KillId("file"), KillId("broken")
"""In the place of an id: a plain file is there; something cannot be read."""
MOST_BYTES = 65536
SETTLED_NS = 2_000_000_000
"""A directory that changed less than this ago may change once more without another time stamp."""
_NAME = re.compile(r"(?P<id>[0-9a-f]{16})(?P<kind>\.json|\.lift)")
Lifts = Callable[[bytes], Sha256 | None]
"""Digest of the kill that an envelope lifts; None = it is no administrator's word."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the directory said when it looked like `stamp`; None = it has to be read again."""

    stamp: tuple[int, int, int] | None = None
    kills: tuple[Kill, ...] = ()
    by: Mapping[tuple[Scope, str], Kill] = field(default_factory=dict)
    """What each means; of several the oldest."""

    @staticmethod
    def of(stamp: tuple[int, int, int] | None, *kills: Kill) -> _Reading:
        return _Reading(stamp, kills, {kill.means: kill for kill in reversed(kills)})


class Switch:
    """`Switch(state).hits(target)` is to be asked ten times a second, by several threads."""

    def __init__(
        self, state: Path, extra_file: Path | None = None, lifts: Lifts = lambda _: None
    ) -> None:
        self.directory = state / DIRECTORY
        self._extra = extra_file
        self.lifts = lifts
        self._seen: dict[KillId, Kill] = {}
        self._was_there = False
        self._reading = _Reading()
        self._lock = threading.Lock()

    def hits(self, target: Target) -> Kill | None:
        """The kill that stops it, if one does."""
        extra, reading = self._extra_kill(), self._current()
        if extra is not None or not reading.kills:
            return extra
        return next((reading.by[name] for name in target.names() if name in reading.by), None)

    def kills(self) -> tuple[Kill, ...]:
        """In force."""
        extra, reading = self._extra_kill(), self._current()
        return reading.kills if extra is None else (extra, *reading.kills)

    def pull(self, scope: Scope, subject: str, reason: str, by: str) -> Kill:
        """In force when this returns.

        Raises:
            ConfigError: there is no reason, or the subject is none of this scope.
            InfraError: it cannot be written.
        """
        return Kill.model_validate_json(pull(self.directory.parent, scope, subject, reason, by))

    def keep(self, kill: Kill) -> None:
        """(Back) into force. Raises InfraError: it cannot be written."""
        keep(self.directory, f"{kill.id}{KILL}", kill.model_dump_json().encode())

    def recall(self, kill: Kill, envelope: bytes | None) -> None:
        """Another place remembers that kill, and what lifted it: as there, so here.

        Raises:
            InfraError: it cannot be written.
        """
        here = {end: os.path.lexists(self.directory / f"{kill.id}{end}") for end in (KILL, LIFT)}
        if envelope is None and not here[KILL]:
            self.keep(kill)
        elif envelope is not None and here[KILL] and not here[LIFT]:
            keep(self.directory, f"{kill.id}{LIFT}", envelope)

    def lift(self, identity: KillId, envelope: bytes) -> Kill:
        """What is lifted.

        Raises:
            ConfigError: no such kill, or the envelope does not lift it.
            InfraError: it cannot be written.
        """
        kill = next((each for each in self.kills() if each.id == identity), None)
        if kill is None:
            raise ConfigError(f"no kill {identity!r} is in force", "codex-runner kill list")
        if self.lifts(envelope) != kill.digest():
            raise ConfigError(
                f"that does not lift kill {identity}: it is not signed by an approver's key, or is"
                " about another kill",
                "sign it with an approver's key: codex-runner keys create approver",
            )
        keep(self.directory, f"{kill.id}{LIFT}", envelope)
        return kill

    def _current(self) -> _Reading:
        stamp, reading = self._stamp(), self._reading
        if stamp is None or stamp != reading.stamp:
            with self._lock:
                reading = self._reading = self._read()
        return reading

    def _stamp(self) -> tuple[int, int, int] | None:
        """None = nobody can say whether it has changed."""
        try:
            found = os.stat(self.directory)
        except OSError as error:
            missing = error.errno == errno.ENOENT and not self._was_there
            return (0, 0, 0) if missing else None
        settled = time.time_ns() - found.st_ctime_ns > SETTLED_NS
        return (found.st_dev, found.st_ino, found.st_ctime_ns) if settled else None

    def _read(self) -> _Reading:
        stamp = self._stamp()
        try:
            names = sorted(os.listdir(self.directory))
            self._was_there = True
        except OSError as error:
            if error.errno == errno.ENOENT and not self._was_there:
                return _Reading(stamp)
            return _Reading.of(None, _broken(self.directory, error), *self._in_force())
        broken = [kill for name in names if (kill := self._learn(name)) is not None]
        return _Reading.of(None if broken else stamp, *broken, *self._in_force())

    def _learn(self, name: str) -> Kill | None:
        """Remembers the kill of a file; what it is instead of one, if it stops everything."""
        path, found = self.directory / name, _NAME.fullmatch(name)
        if name == STOP:
            return _there(path)
        if found is None:
            return _broken(path, "it is neither a kill nor a lift")
        if found["kind"] == LIFT:
            return None
        try:
            kill = Kill.model_validate_json(read_small(path, MOST_BYTES))
        except (OSError, ValueError) as error:
            return _broken(path, error if isinstance(error, OSError) else "it is not a whole kill")
        if kill.id != found["id"]:
            return _broken(path, "it is the kill of another file")
        self._seen[kill.id] = kill
        return None

    def _in_force(self) -> Iterator[Kill]:
        for kill in sorted(self._seen.values(), key=lambda kill: kill.at):
            envelope = b""
            with suppress(OSError):
                envelope = read_small(self.directory / f"{kill.id}{LIFT}", MOST_BYTES)
            if not envelope or self.lifts(envelope) != kill.digest():
                yield kill

    def _extra_kill(self) -> Kill | None:
        if self._extra is None:
            return None
        try:
            os.lstat(self._extra)
        except FileNotFoundError:
            if os.path.isdir(self._extra.parent):
                return None
            return _broken(self._extra.parent, "it is not there, so nobody could stop with it")
        except OSError as error:
            return _broken(self._extra, error)
        return _there(self._extra)


def why(kill: Kill) -> str:
    """In one line, for whoever is stopped."""
    what = "everything" if kill.scope == "all" else f"{kill.scope} {kill.subject}"
    who = "" if kill.id in {FILE, BROKEN} else f" (kill {kill.id} by {kill.by}, {kill.at:%F %T}Z)"
    return f"{what} is halted: {kill.reason}{who}"


def remedy(kill: Kill) -> str:
    """What ends it."""
    if kill.id == FILE:
        return f"remove {kill.subject}, if you may decide that"
    if kill.id == BROKEN:
        return f"mend {kill.subject}; until then nothing goes on"
    return f"with an approver's key: codex-runner kill lift {kill.id} --reason WHY"


def repository_names(named: str, *more: str) -> tuple[str, ...]:
    """Of paths and remotes, each as it is and as all its spellings are compared:
    `github.com/o/r` for `git@github.com:o/r.git`, an absolute path without links."""
    found = [name for each in (named, *more) if each for name in (each, canonical(each))]
    return tuple(dict.fromkeys(found)) or ("",)


def _there(path: Path) -> Kill:
    return _of_file(FILE, path, f"the file {path} is there")


def _broken(path: Path, why: OSError | str) -> Kill:
    said = why if isinstance(why, str) else why.strerror
    return _of_file(BROKEN, path, f"the kill switch cannot be read: {path}: {said}")


def _of_file(identity: KillId, path: Path, reason: str) -> Kill:
    now = datetime.now(UTC)
    return Kill(id=identity, scope="all", subject=str(path), reason=reason, by="file", at=now)
