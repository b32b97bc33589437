"""The gates in order, and the one loop that asks them."""

from __future__ import annotations

import time
from collections.abc import Callable

from runner.gates import paths, review, size, tamper, tests
from runner.gates.secrets import Scan, SecretsGate
from runner.ports import Case, Gate
from runner.records.gate import GateReport


def judge(
    case: Case, on_report: Callable[[GateReport], None], scan: Scan
) -> tuple[GateReport, ...]:
    """One report per gate, in table order; `on_report` hears each as it comes.

    Raises:
        InfraError, BudgetError: a gate could not decide; whatever else `case` raises.
    """
    reports: list[GateReport] = []
    for gate, is_cheap in gates(scan):
        refused = [report.gate for report in reports if report.verdict == "refused"]
        report = _not_run(gate, refused) if refused and not is_cheap else _timed(gate, case)
        reports.append(report)
        on_report(report)
    return tuple(reports)


def gates(scan: Scan) -> tuple[tuple[Gate, bool], ...]:
    """The table. Cheap gates are all asked, so that one more attempt can mend everything at once;
    a costly one only while nothing before it was refused."""
    cheap = (paths, size, tamper, SecretsGate(scan))
    return (*((gate, True) for gate in cheap), (tests, False), (review, False))


def _timed(gate: Gate, case: Case) -> GateReport:
    began = time.monotonic()
    report = gate.check(case)
    return report.model_copy(update={"duration_ms": int((time.monotonic() - began) * 1000)})


def _not_run(gate: Gate, refused: list[str]) -> GateReport:
    return GateReport(
        gate=gate.NAME, verdict="not-run", summary=f"not run: refused by {', '.join(refused)}"
    )
