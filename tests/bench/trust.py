"""The trust score of two thousand outcomes: every step explained, and as a decision reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.outcomes import Told
from runner.ledger.rekeying import Keeper
from runner.ledger.score import History, explain
from runner.records.base import Sha256
from runner.records.evidence import Statement
from runner.records.identity import Agent
from runner.trusting import read_book, trust_of
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Row

OUTCOMES = 2000
AT_MOST_MS = 30.0
ME = Agent(model="gpt-5.5", codex_version="any", policy_sha256=Sha256("0" * 64))
NOW = datetime.now(UTC)


def measure(setting: Setting) -> Iterator[Row]:
    count = OUTCOMES // 10 if setting.quick else OUTCOMES
    with _ledger(setting.scratch, count) as ledger:
        began = process_time()
        outcomes = read_book(setting.scratch, ledger).outcomes
        read_ms = 1000 * (process_time() - began)
        assert len(outcomes) == count

        def explained() -> float:
            began = process_time()
            score = explain(History(outcomes, NOW))
            assert sum(factor.delta for factor in score.factors) == score.score - 300
            return 1000 * (process_time() - began)

        def cached() -> float:
            began = process_time()
            trust_of(setting.scratch, ledger, ME.id, ME.generation, NOW)
            return 1000 * (process_time() - began)

        cached()
        taken = interleave({"explained": explained, "cached": cached}, 5 * setting.rounds)
        parts = {"reading and verifying all of them once": read_ms}
        what = f"trust score of {count} outcomes, explained (CPU)"
        yield Row(what, "ms", taken["explained"], (), "itself", at_most=AT_MOST_MS, parts=parts)
        what = "the same as a decision reads it: one row (CPU)"
        yield Row(what, "ms", taken["cached"], (), "itself", at_most=AT_MOST_MS)


@contextmanager
def _ledger(state: Path, count: int) -> Iterator[StoredLedger]:
    keeper = Keeper(state, open_ledger)
    keeper.create("approver")
    keeper.create("verifier")
    with open_ledger(state) as ledger:
        for future in [ledger.submit(_told(n, count)) for n in range(count)]:
            future.result()
        yield ledger


def _told(number: int, count: int) -> Statement:
    """A year; every ninth was closed."""
    return Told(
        opportunity=f"run-{number}",
        agent=ME.id,
        generation=ME.generation,
        kind="closed" if number % 9 == 0 else "merged",
        at=NOW - timedelta(days=365 * (count - number) / count),
        cluster=str(number % 10),
        size=1000,
        independent=True,
        remote="/srv/r.git",
        target="main",
        commit="c" * 40,
    ).statement()
