"""Gate `size`: a change a person can still review. Every entry counts, nothing is exempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.ports import Case
from runner.records.base import Oid
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.task import Limits, how_to_raise

NAME = "size"
GITLINK = "160000"
LONG_LINE_BYTES = 20_000
"""A longer line is one line to a counter and unreadable to a person: worth a warning."""
ROW_BYTES = 500
"""A line counts once for each of them that it has, as it would on a screen."""
TEXT_SHARE = 0.85
"""Of printable bytes, from which on a binary file is text in disguise."""
_PRINTABLE = bytes({9, 10, 12, 13, *range(32, 127)})


def check(case: Case) -> GateReport:
    """Measured on blobs: no attributes, no rename detection, no generated-file exemption."""
    changes = case.patch.changes
    limits = case.plan.limits
    over, counted = _measured(changes, limits, 0)
    looks = () if over else tuple(_look(case, change) for change in changes)
    if not over:
        over, counted = _measured(changes, limits, sum(look.rows for look in looks))
    hidden = tuple(_hidden(look.change) for look in looks if look.is_hidden)
    long = () if over else tuple(_long(look.change) for look in looks if look.is_long)
    return GateReport(
        gate=NAME,
        verdict="refused" if over or hidden else "passed",
        summary=", ".join(f"{count} {unit}" for unit, count, _ in counted),
        findings=over + hidden + long,
        evidence={unit: f"{count}/{limit}" for unit, count, limit in counted},
    )


Counted = tuple[tuple[str, int, int], ...]
"""Unit, measure, limit."""


def _measured(
    changes: Sequence[Change], limits: Limits, rows: int
) -> tuple[tuple[Finding, ...], Counted]:
    """`rows` are more lines than line feeds say."""
    lines = sum(change.added + change.deleted for change in changes)
    counted = (
        ("files", len(changes), limits.files),
        ("lines", lines + rows, limits.lines),
        ("bytes", sum(change.size_bytes for change in changes), limits.bytes),
        ("binaries", sum(_new_binary(change) for change in changes), limits.binaries),
    )
    return tuple(_over(*measure) for measure in counted if measure[1] > measure[2]), counted


def _new_binary(change: Change) -> bool:
    return change.binary and change.status != "deleted"


@dataclass(frozen=True, slots=True)
class _Look:
    """What the content of one new blob says beside its line count."""

    change: Change
    rows: int = 0
    """Beyond one for each new line: carriage returns, and what does not fit on a row."""
    is_long: bool = False
    is_hidden: bool = False
    """Text that counts as binary, and so without its lines."""


def _look(case: Case, change: Change) -> _Look:
    if change.new_oid is None or change.new_mode == GITLINK:
        return _Look(change)
    if change.binary:
        return _Look(change, is_hidden=_is_text(case.blob(change.new_oid)))
    if change.size_bytes <= ROW_BYTES and not change.added:
        return _Look(change)
    old = set(_lines(case, change.old_oid)) if change.old_mode != GITLINK else set()
    new = [line for line in _lines(case, change.new_oid) if line not in old]
    rows = sum(line.count(b"\r") + len(line) // ROW_BYTES for line in new)
    return _Look(change, rows, is_long=any(len(line) > LONG_LINE_BYTES for line in new))


def _lines(case: Case, oid: Oid | None) -> list[bytes]:
    """Without their ends, be it CR LF or LF."""
    content = b"" if oid is None else case.blob(oid)
    return [line.removesuffix(b"\r") for line in content.split(b"\n")]


def _is_text(content: bytes) -> bool:
    """All but the NUL bytes; UTF-16 and pictures are not."""
    rest = content.translate(None, _PRINTABLE)
    if len(rest) <= (1 - TEXT_SHARE) * len(content):
        return bool(content)
    try:
        letters = rest.replace(b"\0", b"").decode()
    except UnicodeDecodeError:
        return False
    return len(letters.encode()) >= TEXT_SHARE * len(rest) and letters.isprintable()


def _hidden(change: Change) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.hidden",
        path=change.path,
        why=f"{change.path} is text, but it counts as binary: its lines are neither counted nor"
        " shown to a reviewer",
        remedy="take the NUL bytes out of it, or give it a name that had no binary content",
        retryable=True,
    )


def _over(unit: str, measured: int, limit: int) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{unit}",
        why=f"the change has {measured} {unit}; the limit is {limit}",
        remedy=f"make a smaller change, or {how_to_raise(unit)}",
        retryable=True,
        rule=f"limits.{unit}",
    )


def _long(change: Change) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.long-line",
        path=change.path,
        why=f"warning: {change.path} has a new line of more than {LONG_LINE_BYTES} bytes",
        remedy="look at this file with care: line counts say little about it",
    )
