"""What became of an agent's work, and what that says of its next one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from pydantic import AwareDatetime, Field

from runner.records.base import Record
from runner.records.evidence import AgentId, ReceiptId
from runner.records.level import Level

OutcomeKind = Literal[
    "merged",
    "reverted",
    "closed",
    "changes_requested",
    "gate_failed",
    "denied_forbidden",
    "secret_hit",
    "incident",
    "escape",
    "tamper",
    "human_rejected",
]
FORGE: frozenset[OutcomeKind] = frozenset({"merged", "reverted", "closed", "changes_requested"})
"""What a forge tells of a request."""
PERSON: frozenset[OutcomeKind] = frozenset({"incident", "escape", "reverted"})
"""What a person may tell of a run, whatever a forge knows."""
SEVERE: tuple[OutcomeKind, ...] = ("tamper", "escape", "secret_hit", "incident")
"""What no number of good outcomes makes up for while its window lasts."""

Band = Literal["untrusted", "probation", "established", "trusted", "exemplary"]
BANDS: Mapping[Band, int] = MappingProxyType(
    {"untrusted": 300, "probation": 580, "established": 670, "trusted": 740, "exemplary": 800}
)
"""From which score on."""
FLOOR, CEILING = 300, 850
FULL = 1000
"""Thousandths: a change that is not small, a probability of one."""


class Outcome(Record):
    """One thing that became of one opportunity, as a verified receipt tells it."""

    opportunity: str
    """The piece of work: a run's id."""
    agent: AgentId
    kind: OutcomeKind
    at: AwareDatetime
    """UTC."""
    receipt: ReceiptId
    generation: str = ""
    """`identity.Agent.generation` of the agent that did it."""
    cluster: str = ""
    """Repository and part of it; one merge after the other in the same place says less."""
    size: int = Field(default=FULL, ge=0, le=FULL)
    """Thousandths of a change that counts whole."""
    independent: bool = False
    """Merged by somebody who did not open the request."""


class Factor(Record):
    """One step from 300 to the score. The deltas of all of them sum exactly to score - 300."""

    name: str
    delta: int
    count: int
    """Outcomes behind it."""
    receipts: tuple[ReceiptId, ...] = ()
    """Theirs, the newest first; at most `score.MOST_RECEIPTS`."""


class Score(Record):
    """Lower bound of the probability that the next change is accepted and stays, as 300 to 850."""

    score: int = Field(default=FLOOR, ge=FLOOR, le=CEILING)
    band: Band = "untrusted"
    state: Literal["insufficient", "measured"] = "insufficient"
    """insufficient = too few outcomes count for the number to say anything."""
    n_eff: int = 0
    """Merges that count, after size, repetition, the day's cap and age."""
    factors: tuple[Factor, ...] = ()
    waiting: int = 0
    """Merges that do not count yet: they may still be reverted."""
    dependent: int = 0
    """Merges that never count: nobody else merged them."""

    @property
    def reasons(self) -> tuple[Factor, ...]:
        """The four that cost most."""
        lost = sorted((each for each in self.factors if each.delta < 0), key=lambda f: f.delta)
        return tuple(lost[:4])


class Promotion(Record):
    """A person's word for a higher level."""

    agent: AgentId
    level: Level
    at: AwareDatetime
    reason: str
    receipt: ReceiptId


class Ladder(Record):
    """The level an agent has earned and been given."""

    level: Level = 0
    since: datetime | None = None
    """When it last changed; None = never."""
    next: Level | None = None
    """The rung above; None = there is none."""
    missing: tuple[str, ...] = ()
    """What the next rung asks and there is not, one line each; a person's word comes last."""
    capped: str = ""
    """Why the level is lower than what was granted: another model or policy."""


class Reliability(Record):
    """What was foretold in one band, and what came; all but `n` in thousandths."""

    band: Band
    n: int
    predicted: int
    observed: int
    brier: int


class Calibration(Record):
    """Of the agent's own history; each prediction was made before its outcome."""

    state: Literal["insufficient", "measured"] = "insufficient"
    why: str = "no outcomes"
    """Why it is insufficient; empty when it is not."""
    n: int = 0
    brier: int = 0
    """Thousandths; 0 is perfect, 250 a coin."""
    bands: tuple[Reliability, ...] = ()


class Ignored(Record):
    """An entry that counts for nothing."""

    receipt: ReceiptId
    kind: str
    why: str


class Trust(Record):
    """Everything that is known of one agent."""

    agent: AgentId
    generation: str
    at: datetime
    score: Score = Score()
    ladder: Ladder = Ladder()
    calibration: Calibration = Calibration()
    severe: Level | None = None
    """Highest level that its severe outcomes leave, whatever else holds; None = there are none."""
    outcomes: int = 0
    ignored: tuple[Ignored, ...] = ()


def band_of(score: int) -> Band:
    """The highest band that begins at or below it."""
    return [band for band, least in BANDS.items() if score >= least][-1]
