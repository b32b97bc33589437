"""Gate `secrets`: nothing secret-looking leaves that was not there before.

1. Whole blobs of every changed path are read, never a diff; attributes and excludes do not exist.
2. The runner's own credentials are searched for literally, here; they never leave this process.
3. Everything else is taken apart by the scanner in a process of its own.
4. A marker that tells scanners to look away is a finding, never an exemption.
5. What cannot be scanned whole is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
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
FINDINGS = 100
MOVED_BYTES = 1024 * 1024
GITLINK = "160000"

Scan = Callable[[Sample], Scanned]


@dataclass(frozen=True, slots=True)
class _Item:
    """One thing that would leave, and how a person would call it."""

    label: str
    path: str | None
    """None for a file's name: one that holds a secret must not be repeated."""
    sample: Sample
    is_text: bool = False
    """Lines mean nothing in it."""


@dataclass(frozen=True, slots=True)
class SecretsGate:
    """The gate, with the scanner it asks."""

    scan: Scan

    NAME = NAME

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: the scanner could not be asked."""
        held = Held(case.held)
        too_large = [_too_large(change) for change in case.patch.changes if _oversize(change)]
        if not too_large and sum(change.size_bytes for change in case.patch.changes) > TOTAL_BYTES:
            too_large = [_total_too_large()]
        findings: list[Finding] = too_large
        scanned = 0
        for item in () if too_large else (*_texts(case.texts), *_items(case)):
            scanned += 1
            findings += self._look(item, held)
            if len(findings) >= FINDINGS:
                break
        refused = any(_blocks(finding) for finding in findings)
        return GateReport(
            gate=NAME,
            verdict="refused" if refused else "passed",
            summary=f"{scanned} samples scanned, {len(findings)} findings",
            findings=tuple(findings[:FINDINGS]),
        )

    def outbound(self, texts: Mapping[str, str], held: tuple[bytes, ...]) -> None:
        """The last look at text before it is sent. Raises RefusedError, InfraError."""
        known = Held(held)
        for item in _texts(texts):
            for finding in self._look(item, known):
                if _blocks(finding):
                    raise RefusedError(finding.why, finding.remedy)

    def _look(self, item: _Item, held: Held) -> list[Finding]:
        scanned = self.scan(item.sample)
        for data in (item.sample.data, *scanned.unfolded):
            how = held.find(data)
            if how is not None:
                return [_own(item, how)]
        return [_finding(item, hit) for hit in scanned.hits]


def _texts(texts: Mapping[str, str]) -> Iterator[_Item]:
    for label, text in texts.items():
        yield _Item(label, None, Sample(text.encode(errors="replace")), is_text=True)


def _items(case: Case) -> Iterator[_Item]:
    moved = _moved(case)
    for number, change in enumerate(case.patch.changes, 1):
        if change.new_oid is None:
            continue
        if change.old_oid is None:
            label = f"the name of the added file {number}"
            yield _Item(label, None, Sample(decode_path(change.path)), is_text=True)
        if change.new_mode != GITLINK:
            base = _old(case, change) if change.old_oid else moved
            base = base if len(base) <= SAMPLE_BYTES else b""
            yield _Item(change.path, change.path, Sample(case.blob(change.new_oid), base))


def _moved(case: Case) -> bytes:
    """What added files may have been before: the content of all deleted ones, if it is little."""
    deleted = [_old(case, change) for change in case.patch.changes if change.new_oid is None]
    return b"\n".join(deleted) if sum(map(len, deleted)) <= MOVED_BYTES else b""


def _old(case: Case, change: Change) -> bytes:
    if change.old_oid is None or change.old_mode == GITLINK:
        return b""
    return case.blob(change.old_oid)


def _oversize(change: Change) -> bool:
    return change.size_bytes > SAMPLE_BYTES


def _blocks(finding: Finding) -> bool:
    return finding.code != f"{NAME}.weak"


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
            return "opaque", "is compressed and cannot be looked into", "do not add this file"
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


def _total_too_large() -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.too-large",
        why=f"the change has more than the {TOTAL_BYTES} bytes that can be scanned",
        remedy="make a smaller change",
        retryable=True,
    )
