"""What a test command said it did, test by test."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.records.base import Record

Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
BAD = frozenset({"failed", "error"})


class Result(Record):
    """One test."""

    outcome: Outcome
    path: str = ""
    """Its file, as the framework spells it; empty = it does not say."""
    reason: str = ""
    """Why it failed or was skipped: one line."""


class Results(Record):
    """All tests of one run of the command. Told by code of the tree: it may only add refusals."""

    source: str
    """`junit`, `go`, `cargo`, ..."""
    tests: dict[str, Result] = Field(default_factory=dict)
    """By id; empty when the framework told only numbers."""
    executed: int
    """Skipped ones are not."""
    skipped: int = 0
    printed: int | None = None
    """How many were executed by what the framework printed beside its report."""

    @property
    def failing(self) -> dict[str, Result]:
        return {name: each for name, each in self.tests.items() if each.outcome in BAD}

    @property
    def ran(self) -> frozenset[str]:
        """Ids that were executed."""
        return frozenset(name for name, each in self.tests.items() if each.outcome != "skipped")


class Baseline(Record):
    """How the command ended on the base."""

    code: int | None
    """Its exit status; None = it had to be stopped."""
    results: Results | None = None
    """None = it said nothing that is understood."""
    tree_changed: tuple[str, ...] = ()
    tree_unread: str = ""
    duration_ms: int = 0
