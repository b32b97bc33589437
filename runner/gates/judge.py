"""The gates in order, and the one loop that asks them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from types import MappingProxyType

from runner.gates import classes, dependencies, paths, size, static, tamper
from runner.gates.baseline import FORGETFUL, Baselines
from runner.gates.review import ReviewGate
from runner.gates.secrets import ENTRIES, Scan, SecretsGate
from runner.gates.tests import TestsGate
from runner.ports import Case, Gate
from runner.records.gate import GateReport

Gates = tuple[tuple[Gate, bool], ...]
"""Each with whether it is cheap."""
BOUNDING = frozenset({"size", "secrets"})
"""Gates that refuse more than `ENTRIES` without a look at them; nothing else needs to be said."""
SIDE_BY_SIDE = frozenset({"static", "tests"})
"""Each waits for sandboxes of its own. The cheap ones compute, in this process; a gate of another
package may use the tests' workspace; the review is paid for, so nothing before it was refused."""
NONE: Mapping[str, str] = MappingProxyType({})


def judge(
    case: Case,
    on_report: Callable[[GateReport], None],
    scan: Scan,
    foreign: Gates = (),
    without: Mapping[str, str] = NONE,
    seed: bytes = b"",
    baselines: Baselines = FORGETFUL,
) -> tuple[GateReport, ...]:
    """One report per gate, in table order; `on_report` hears each as it comes.

    `without` are gates that a person leaves out, by name, and how he said so; `seed` is
    `ReviewGate`'s.

    Raises:
        InfraError, BudgetError: a gate could not decide; whatever else `case` raises.
    """
    reports: list[GateReport] = []
    review = ReviewGate(lambda: tuple(reports), seed)
    for together in _rounds(gates(scan, review, foreign, baselines)):
        refused = [report.gate for report in reports if report.verdict == "refused"]
        for report in _each(partial(_ask, case, refused, without), together):
            reports.append(report)
            on_report(report)
    return tuple(reports)


def gates(scan: Scan, review: Gate, foreign: Gates = (), baselines: Baselines = FORGETFUL) -> Gates:
    """The table. Cheap gates are all asked, so that one more attempt can mend everything at once;
    a costly one only while nothing in a round before it was refused."""
    cheap = (paths, size, tamper, dependencies, SecretsGate(scan), classes)
    return (
        *((gate, True) for gate in cheap),
        *(each for each in foreign if each[1]),
        (static, False),
        (TestsGate(baselines), False),
        *(each for each in foreign if not each[1]),
        (review, False),
    )


def _rounds(table: Gates) -> Iterator[Gates]:
    """Neighbours that may be asked at once; every other gate alone."""
    for _, row in groupby(enumerate(table), lambda at: at[1][0].NAME in SIDE_BY_SIDE or -at[0]):
        yield tuple(entry for _, entry in row)


def _each(ask: Callable[[tuple[Gate, bool]], GateReport], together: Gates) -> Iterator[GateReport]:
    """In their order; whatever one of them raises, none is left behind."""
    if len(together) == 1:
        yield ask(together[0])
        return
    with ThreadPoolExecutor(len(together), "gate") as pool:
        yield from pool.map(ask, together)


def _ask(
    case: Case, refused: Sequence[str], without: Mapping[str, str], entry: tuple[Gate, bool]
) -> GateReport:
    gate, is_cheap = entry
    entries = len(case.patch.changes)
    if entries > ENTRIES and gate.NAME not in BOUNDING:
        return _not_run(gate, f"{entries} entries are refused as a whole")
    if gate.NAME in without:
        return _not_run(gate, without[gate.NAME])
    if refused and not is_cheap:
        return _not_run(gate, f"refused by {', '.join(refused)}")
    return _timed(gate, case)


def _timed(gate: Gate, case: Case) -> GateReport:
    began = time.monotonic()
    report = gate.check(case)
    return report.model_copy(update={"duration_ms": int((time.monotonic() - began) * 1000)})


def _not_run(gate: Gate, why: str) -> GateReport:
    return GateReport(gate=gate.NAME, verdict="not-run", summary=f"not run: {why}")
