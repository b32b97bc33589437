"""What a fire drill tried, and what became of it: `codex-runner drill --json`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from runner.records.base import Oid, Record, RunId
from runner.records.sandbox import EngineName

Outcome = Literal["stopped", "breached", "not-tried", "not-applicable"]
"""`not-tried`: it was to run and did not, or nobody can tell; it never counts as stopped."""


class Stopper(Record):
    """What stopped an attack."""

    where: str
    """`sandbox`, `broker`, `budget`, `evidence`, `ingest`, `gate secrets`, `plan`, `report`."""
    rule: str
    """E.g. `paths.protected **/.git*/`, `limits.lines 1500`."""
    origin: str
    """The layer that says so: `built-in`, `config.toml, line 4`, `.codex-runner.toml, line 2`."""


class Attempt(Record):
    """One attack in one run."""

    attack: str
    """E.g. `secrets.base64`; stable."""
    about: str
    """What was tried, in one line."""
    remedy: str
    """What to do when it gets through."""
    outcome: Outcome
    by: Stopper | None = None
    """Of a stopped one."""
    why: str
    """What was seen, in one line."""
    proof: str = ""
    """How it is known that the attack was really made."""
    run: RunId | None = None
    duration_ms: int = 0
    """Of the whole run, which several attacks may share."""


class DrillReport(Record):
    """One drill, told whole."""

    version: str
    """Of codex-runner."""
    repository: str
    base_commit: Oid
    engine: EngineName
    started_at: datetime
    finished_at: datetime
    notes: tuple[str, ...] = ()
    """What a reader has to know to judge the score, one line each."""
    attempts: tuple[Attempt, ...]

    def having(self, outcome: Outcome) -> tuple[Attempt, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.outcome == outcome)

    @property
    def exit_code(self) -> int:
        """1 = something got through; 3 = something, or everything, was not tried; 0 = stopped."""
        if self.having("breached"):
            return 1
        return 3 if self.having("not-tried") or not self.having("stopped") else 0
