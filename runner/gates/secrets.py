"""Gate `secrets`: nothing secret-looking leaves that was not there before.

1. Whole blobs of every changed path are read, never a diff; attributes and excludes do not exist.
2. The runner's own credentials are searched for literally, here; they never leave this process.
3. Everything else is taken apart by the scanner in a process of its own.
4. A marker that tells scanners to look away is a finding, never an exemption.
5. What cannot be scanned whole is refused: too many, too large, too slow, compressed, encoded.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import assert_never

from runner.errors import RefusedError
from runner.gates.held import Held
from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.paths import decode_path
from runner.records.scan import Hit, Sample, Scanned

NAME = "secrets"
SAMPLE_BYTES = 8 * 1024 * 1024
TOTAL_BYTES = 64 * 1024 * 1024
ENTRIES = 2000
DEADLINE_S = 120.0
"""For everything; includes the 3 to 15 s a cold rule cache takes on a loaded machine."""
FINDINGS = 100
"""What is told. No more than telling ends there: everything is looked at."""
MOVED_BYTES = 1024 * 1024
GITLINK = "160000"

Scan = Callable[[Sample, float], Scanned | None]
"""A sample and the seconds there are for it; None = they were not enough."""


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that would leave, and how a person would call it."""

    label: str
    path: str | None
    """None for a file's name: one that holds a secret must not be repeated."""
    data: bytes
    base: Callable[[], bytes] = bytes
    is_text: bool = False
    """Lines mean nothing in it."""


@dataclass(frozen=True, slots=True)
class SecretsGate:
    """The gate, with the scanner it asks."""

    scan: Scan
    deadline_s: float = DEADLINE_S

    NAME = NAME

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: the scanner could not be asked."""
        too_much = _too_much(case.patch.changes)
        items = (*_texts(case.texts), *(() if too_much else _items(case)))
        count = 0
        worst: list[Finding] = []
        for finding in chain(too_much, self._look(items, case.held)):
            count += 1
            insort(worst, finding, key=_rank)
            del worst[FINDINGS:]
        more = f", the worst {FINDINGS} are told" if count > FINDINGS else ""
        return GateReport(
            gate=NAME,
            verdict="refused" if any(map(_blocks, worst)) else "passed",
            summary=f"{len(items)} samples, {count} findings{more}",
            findings=tuple(worst),
        )

    def outbound(self, texts: Mapping[str, str], held: tuple[bytes, ...]) -> None:
        """The last look at text before it is sent. Raises RefusedError, InfraError."""
        for finding in self._look(tuple(_texts(texts)), held):
            if _blocks(finding):
                raise RefusedError(finding.why, finding.remedy)

    def _look(self, items: Sequence[_Item], held: tuple[bytes, ...]) -> Iterator[Finding]:
        """At everything; what the runner holds is searched for in all of it first."""
        ends = time.monotonic() + self.deadline_s
        known = Held(held)
        rest: list[_Item] = []
        for item in items:
            how = known.find(item.data)
            if how is None:
                rest.append(item)
            else:
                yield _own(item, how)
        for item in rest:
            within_s = ends - time.monotonic()
            scanned = self.scan(Sample(item.data, item.base()), within_s) if within_s > 0 else None
            if scanned is None:
                yield _too_slow(item, self.deadline_s)
                return
            ways = {how for data in scanned.unfolded if (how := known.find(data))}
            yield from (_own(item, how) for how in sorted(ways))
            if not ways:
                yield from (_finding(item, hit) for hit in scanned.hits)


def _texts(texts: Mapping[str, str]) -> Iterator[_Item]:
    for label, text in texts.items():
        yield _Item(label, None, text.encode(errors="replace"), is_text=True)


def _items(case: Case) -> Iterator[_Item]:
    moved = _moved(case)
    for number, change in enumerate(case.patch.changes, 1):
        if change.new_oid is None:
            continue
        if change.old_oid is None:
            label = f"the name of the added file {number}"
            yield _Item(label, None, decode_path(change.path), is_text=True)
        if change.new_mode != GITLINK:
            base = partial(_base, case, change) if change.old_oid else lambda: moved
            yield _Item(change.path, change.path, case.blob(change.new_oid), base)


def _moved(case: Case) -> bytes:
    """What added files may have been before: the content of all deleted ones, if it is little."""
    found = b""
    for change in case.patch.changes:
        if change.new_oid is None:
            found += _base(case, change) + b"\n"
        if len(found) > MOVED_BYTES:
            return b""
    return found


def _base(case: Case, change: Change) -> bytes:
    """What was there under the same name. Too large to be taken apart = as if it were not."""
    if change.old_oid is None or change.old_mode == GITLINK:
        return b""
    data = case.blob(change.old_oid)
    return data if len(data) <= SAMPLE_BYTES else b""


def _too_much(changes: Sequence[Change]) -> list[Finding]:
    """Known before anything is read."""
    if len(changes) > ENTRIES:
        return [_bound("too-many", f"{len(changes)} changed entries; {ENTRIES} can be scanned")]
    large = [_too_large(change) for change in changes if change.size_bytes > SAMPLE_BYTES]
    total = sum(change.size_bytes for change in changes)
    if not large and total > TOTAL_BYTES:
        return [_bound("too-large", f"{total} bytes in all; {TOTAL_BYTES} can be scanned")]
    return large


def _blocks(finding: Finding) -> bool:
    return finding.code != f"{NAME}.weak"


def _rank(finding: Finding) -> int:
    """Its place in the report: a warning is never told instead of what refuses."""
    return 0 if finding.code == f"{NAME}.held" else 1 if _blocks(finding) else 2


def _finding(item: _Item, hit: Hit) -> Finding:
    code, what, remedy = _wording(hit)
    line = None if item.is_text else hit.line
    place = item.label if line is None else f"{item.label}:{line}"
    return Finding(
        gate=NAME,
        code=f"{NAME}.{code}",
        path=item.path,
        line=line,
        why=f"{place}: {what} ({hit.rule}, {hit.length} bytes, digest {hit.digest})",
        remedy=remedy,
        retryable=True,
    )


def _wording(hit: Hit) -> tuple[str, str, str]:
    """Code, what it is, and what to do."""
    remove = "remove it and read it from the environment; if it is real, revoke it"
    match hit.tier:
        case "certain":
            return hit.rule, "looks like a credential of a known kind", remove
        case "generic":
            return "generic", "a random-looking value in the place of a credential", remove
        case "weak":
            return "weak", "warning: a value in the place of a credential", remove
        case "marker":
            return "allow-marker", "tells secret scanners to look away", "remove the marker"
        case "opaque":
            return "opaque", "is folded up and cannot be looked into", "do not add this file"
        case _:
            assert_never(hit.tier)


def _own(item: _Item, how: str) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.held",
        path=item.path,
        why=f"{item.label} holds a credential of the runner itself, {how}",
        remedy="revoke that credential now: find out how the agent got it before the next run",
    )


def _too_large(change: Change) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.too-large",
        path=change.path,
        why=f"{change.path} has {change.size_bytes} bytes; only {SAMPLE_BYTES} can be scanned",
        remedy="make the file smaller or leave it out",
        retryable=True,
    )


def _too_slow(item: _Item, deadline_s: float) -> Finding:
    return _bound("too-slow", f"more to scan than {deadline_s:.0f} s allow; ended at {item.label}")


def _bound(rule: str, why: str) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{rule}",
        why=f"the change has {why}",
        remedy="make a smaller change",
        retryable=True,
    )
