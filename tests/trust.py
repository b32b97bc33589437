"""Outcomes made up, for the laws of the trust score."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from runner.ledger.score import SOAK_DAYS, History, explain
from runner.records.evidence import AgentId, ReceiptId
from runner.records.trust import FULL, Outcome, OutcomeKind, Score

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
AGENT = AgentId("ag_0123456789abcdef")


def on(day: float) -> datetime:
    return BEGIN + timedelta(days=day)


def outcome(kind: OutcomeKind, day: float, name: str, **more: object) -> Outcome:
    """Of the request `name`; a merge counts from `SOAK_DAYS` later on."""
    told = {
        "opportunity": name,
        "agent": AGENT,
        "kind": kind,
        "at": on(day),
        "receipt": ReceiptId(f"rc_{kind}_{name}_{day}"),
        "independent": True,
    }
    return Outcome.model_validate({**told, **more})


def clean(
    days: int, a_day: int = 1, clusters: int = 10, size: int = FULL, first: int = 0
) -> list[Outcome]:
    """Merges by somebody else that count from day `first` on, in ten places by turns."""
    return [
        outcome(
            "merged",
            first + day - SOAK_DAYS,
            f"clean-{first + day}-{number}",
            cluster=str((day * a_day + number) % clusters),
            size=size,
        )
        for day in range(days)
        for number in range(a_day)
    ]


def scored(outcomes: Iterable[Outcome], day: float) -> Score:
    return explain(History(outcomes, on(day)))
