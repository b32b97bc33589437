"""Durable, signed receipts: how many, how late, at what cost; against a bare fsync."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time

from runner.ledger.ledger import StoredLedger, open_ledger
from runner.records.base import RunId
from runner.records.evidence import About, Statement
from tests.bench.rounds import Setting, cpu_seconds, seconds
from tests.bench.row import Row

APPENDS, QUICK_APPENDS = 2000, 400
MANY = 8
PAGE = b"x" * 4096
"""What a commit at least writes to the write-ahead log."""
WHAT = Statement(
    "decision",
    {"action": {"sha256": "a" * 64}},
    {"word": "ALLOW", "code": "python -m pytest -q tests/test_stats.py", "text": "x" * 300},
    About(RunId("bench")),
)


@dataclass(frozen=True, slots=True)
class Load:
    """One round of `clients`: each waits for its receipt before it asks for the next."""

    rate: float
    """Receipts a second."""
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    """Of this process, clients included, for one receipt."""


def measure(setting: Setting) -> Iterator[Row]:
    number = QUICK_APPENDS if setting.quick else APPENDS
    names = count()
    one, many, floor, checked, verified = [], [], [], [], []
    with open_ledger(setting.scratch) as ledger:
        _load(ledger, MANY, MANY * 10)  # imports, and a file that has grown
        for _ in range(setting.rounds):
            one.append(_load(ledger, 1, number))
            many.append(_load(ledger, MANY, number))
            floor.append(_fsyncs(setting.scratch / f"floor{next(names)}", number))
        for _ in range(setting.rounds):
            checked.append(ledger.size / cpu_seconds(ledger.check))
            verified.append(_verifications(ledger, number))
    bare = tuple(floor)
    alone, together = tuple(load.rate for load in one), tuple(load.rate for load in many)
    yield Row("durable receipts, 1 client / write and fsync of a page", "/s", alone, bare, "ratio")
    what = f"durable receipts, {MANY} clients / write and fsync of a page"
    yield Row(what, "/s", together, bare, "ratio")
    yield Row(f"durable receipts, {MANY} clients", "/s", together, (), "itself", at_least=1000)
    yield _ms("a durable receipt, 1 client, p50", [load.p50_ms for load in one], 1)
    yield _ms(f"a durable receipt, {MANY} clients, p99", [load.p99_ms for load in many], 15)
    yield _ms(f"CPU of a receipt, {MANY} clients", [load.cpu_ms for load in many], 0.5)
    yield Row(
        "the log's receipts verified (CPU time)", "/s", tuple(checked), (), "itself", at_least=5000
    )
    what = "the log's receipts verified / bare Ed25519 verifications"
    yield Row(what, "/s", tuple(checked), tuple(verified), "ratio")


def _ms(what: str, samples: list[float], at_most: float) -> Row:
    return Row(what, "ms", tuple(samples), (), "itself", at_most=at_most)


def _load(ledger: StoredLedger, clients: int, number: int) -> Load:
    def client(_: int) -> list[float]:
        return [1000 * seconds(lambda: ledger.append(WHAT)) for _ in range(number // clients)]

    with ThreadPoolExecutor(clients) as pool:
        began, used = perf_counter(), process_time()
        late = [each for made in pool.map(client, range(clients)) for each in made]
        took, cost = perf_counter() - began, process_time() - used
    cuts = quantiles(late, n=100)
    return Load(len(late) / took, cuts[49], cuts[98], 1000 * cost / len(late))


def _verifications(ledger: StoredLedger, number: int) -> float:
    """A second's worth of what a signature alone costs."""
    signer, message = ledger.signers["gate"], PAGE[:1000]
    key, signature = signer.key.public_key(), signer.sign(message)

    def verify() -> None:
        for _ in range(number):
            key.verify(signature, message)

    return number / cpu_seconds(verify)


def _fsyncs(path: Path, number: int) -> float:
    """A second's worth of the least that durability can cost."""
    with path.open("wb", buffering=0) as file:

        def write() -> None:
            for _ in range(number):
                file.write(PAGE)
                os.fsync(file.fileno())

        took = seconds(write)
    path.unlink()
    return number / took
