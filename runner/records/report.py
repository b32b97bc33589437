"""One run, told whole."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from runner.errors import Conclusion
from runner.records.agent import AgentResult
from runner.records.approval import Approval
from runner.records.base import Oid, Record, RunId
from runner.records.gate import GateReport
from runner.records.level import Standing
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.setup import SetupResult
from runner.records.usage import Usage

UNFINISHED = frozenset({"budget", "halted", "infra-error", "interrupted", "abandoned"})


class Publication(Record):
    """What left the machine."""

    remote: str
    ref: str
    commit: Oid
    url: str
    """Of the request: a web address or a file."""
    number: int | None = None
    created: bool
    """False = the request of this run existed already and was found again."""
    notes: tuple[str, ...] = ()
    """What was left out, e.g. a label the forge does not know."""


class Problem(Record):
    """An error in its two lines."""

    problem: str
    remedy: str


class Attempt(Record):
    """One attempt that was refused or broken off, and after which another one was made."""

    agent: AgentResult
    tree: Oid | None
    """None = it could not be measured."""
    gates: tuple[GateReport, ...]
    refusal: str
    """In one line."""


class RunReport(Record):
    """report.json. Present on every way out; what was not reached is None."""

    run: RunId
    conclusion: Conclusion
    exit_code: int
    started_at: datetime
    finished_at: datetime
    plan: Plan | None = None
    setup: SetupResult | None = None
    attempts: tuple[Attempt, ...] = ()
    """Before the one that is told in `agent`, `patch` and `gates`."""
    agent: AgentResult | None = None
    patch: Patch | None = None
    gates: tuple[GateReport, ...] = ()
    review_usage: Usage | None = None
    standing: Standing | None = None
    """The plan's, lowered by what the change turned out to be; None = its gates did not pass."""
    approval: Approval | None = None
    """A person's word for the publication."""
    publication: Publication | None = None
    problem: Problem | None = None
    phases_ms: dict[str, int] = Field(default_factory=dict)

    @property
    def unfinished(self) -> bool:
        """Ended by a limit, a stop or a failure, with work of its agent kept: it can go on."""
        kept = self.patch is not None and not self.patch.empty
        return self.conclusion in UNFINISHED and kept and bool(self.agent or self.attempts)
