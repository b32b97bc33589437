"""Gate `size`: a change a person can still review. Every entry counts, nothing is exempt."""

from __future__ import annotations

from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.task import how_to_raise

NAME = "size"
LONG_LINE_BYTES = 20_000
"""A longer line is one line to a counter and unreadable to a person: worth a warning."""


def check(case: Case) -> GateReport:
    """Measured on blobs: no attributes, no rename detection, no generated-file exemption."""
    changes = case.patch.changes
    limits = case.plan.limits
    measures = (
        ("files", len(changes), limits.files),
        ("lines", sum(change.added + change.deleted for change in changes), limits.lines),
        ("bytes", sum(change.size_bytes for change in changes), limits.bytes),
        ("binaries", sum(_new_binary(change) for change in changes), limits.binaries),
    )
    over = tuple(_over(*measure) for measure in measures if measure[1] > measure[2])
    long = (
        () if over else tuple(_long(change) for change in changes if _has_long_line(case, change))
    )
    return GateReport(
        gate=NAME,
        verdict="refused" if over else "passed",
        summary=", ".join(f"{count} {unit}" for unit, count, _ in measures),
        findings=over + long,
        evidence={unit: f"{count}/{limit}" for unit, count, limit in measures},
    )


def _new_binary(change: Change) -> bool:
    return change.binary and change.status != "deleted"


def _has_long_line(case: Case, change: Change) -> bool:
    if change.new_oid is None or change.size_bytes <= LONG_LINE_BYTES or change.binary:
        return False
    old = set() if change.old_oid is None else set(case.blob(change.old_oid).split(b"\n"))
    lines = case.blob(change.new_oid).split(b"\n")
    return any(len(line) > LONG_LINE_BYTES and line not in old for line in lines)


def _over(unit: str, measured: int, limit: int) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{unit}",
        why=f"the change has {measured} {unit}; the limit is {limit}",
        remedy=f"make a smaller change, or {how_to_raise(unit)}",
        retryable=True,
    )


def _long(change: Change) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.long-line",
        path=change.path,
        why=f"warning: {change.path} has a new line of more than {LONG_LINE_BYTES} bytes",
        remedy="look at this file with care: line counts say little about it",
    )
