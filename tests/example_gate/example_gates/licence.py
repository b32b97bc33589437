"""Gate `example.licence`: every new Python file says under which licence it is."""

from __future__ import annotations

from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change

NAME = "licence"
COSTLY = False
HEADER = b"# SPDX-License-Identifier: "


def check(case: Case) -> GateReport:
    """Reads whole blobs of the measured tree."""
    new = [change for change in case.patch.changes if _is_new(change)]
    without = [each for each in new if each.new_oid and HEADER not in case.blob(each.new_oid)]
    return GateReport(
        gate=NAME,
        verdict="refused" if without else "passed",
        summary=f"{len(without)} of {len(new)} new files say no licence",
        findings=tuple(_finding(each) for each in without),
    )


def _is_new(change: Change) -> bool:
    return change.status == "added" and change.path.endswith(".py")


def _finding(change: Change) -> Finding:
    return Finding(
        gate=NAME,
        code="licence.missing",
        path=change.path,
        line=1,
        why=f"{change.path} does not say its licence",
        remedy=f"begin it with {HEADER.decode()}MIT",
        retryable=True,
    )
