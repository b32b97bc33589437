"""The gates in order, and the one loop that asks them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
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
    for gate, is_cheap in gates(scan, review, foreign, baselines):
        refused = [report.gate for report in reports if report.verdict == "refused"]
        if len(case.patch.changes) > ENTRIES and gate.NAME not in BOUNDING:
            report = _not_run(gate, f"{len(case.patch.changes)} entries are refused as a whole")
        elif gate.NAME in without:
            report = _not_run(gate, without[gate.NAME])
        elif refused and not is_cheap:
            report = _not_run(gate, f"refused by {', '.join(refused)}")
        else:
            report = _timed(gate, case)
        reports.append(report)
        on_report(report)
    return tuple(reports)


def gates(scan: Scan, review: Gate, foreign: Gates = (), baselines: Baselines = FORGETFUL) -> Gates:
    """The table. Cheap gates are all asked, so that one more attempt can mend everything at once;
    a costly one only while nothing before it was refused."""
    cheap = (paths, size, tamper, dependencies, SecretsGate(scan), classes)
    return (
        *((gate, True) for gate in cheap),
        *(each for each in foreign if each[1]),
        (static, False),
        (TestsGate(baselines), False),
        *(each for each in foreign if not each[1]),
        (review, False),
    )


def _timed(gate: Gate, case: Case) -> GateReport:
    began = time.monotonic()
    report = gate.check(case)
    return report.model_copy(update={"duration_ms": int((time.monotonic() - began) * 1000)})


def _not_run(gate: Gate, why: str) -> GateReport:
    return GateReport(gate=gate.NAME, verdict="not-run", summary=f"not run: {why}")
