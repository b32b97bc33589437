"""One run, told whole."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from runner.errors import Conclusion
from runner.records.agent import AgentResult
from runner.records.base import Oid, Record, RunId
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.usage import Usage


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


class RunReport(Record):
    """report.json. Present on every way out; what was not reached is None."""

    run: RunId
    conclusion: Conclusion
    exit_code: int
    started_at: datetime
    finished_at: datetime
    plan: Plan | None = None
    agent: AgentResult | None = None
    patch: Patch | None = None
    gates: tuple[GateReport, ...] = ()
    review_usage: Usage | None = None
    publication: Publication | None = None
    problem: Problem | None = None
    phases_ms: dict[str, int] = Field(default_factory=dict)
