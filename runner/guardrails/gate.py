"""Gate `guardrails`: the output stage, on all that would leave.

1. Every text beside the tree, every name of a changed file, and every line the change adds. What
   is removed or untouched is not its business; binary files have no lines and are not looked into.
2. A measured tree and the texts that go with it are what they are: what a check would redact is
   refused.
3. Rules on a text as a whole (format, scope, size) speak of the texts together, not of files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from runner.case import Case
from runner.guardrails.guard import GATE, Guard, Outcome, Place
from runner.records.gate import Finding, GateReport
from runner.records.paths import decode_path

TOTAL_CHARS = 16_000_000
FINDINGS = 100
"""What is told; those that refuse first."""


class UnreadError(Exception):
    """`str(error)` says why the lines of the change cannot be told."""


@dataclass(frozen=True, slots=True)
class Added:
    """Consecutive lines that a change adds to a file."""

    path: str
    first_line: int
    text: str


@dataclass(frozen=True, slots=True)
class GuardrailsGate:
    """The gate, with whoever knows the added lines."""

    guard: Guard
    added: Callable[[Case], Iterable[Added]]
    """Raises UnreadError."""

    NAME = GATE

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: the secret scanner could not be asked."""
        declared = sum(each.stage == "output" for each in self.guard.declared)
        refusing: list[Finding] = []
        warning: list[Finding] = []
        pieces = 0
        try:
            for outcome in self._look(case) if declared else ():
                pieces += 1
                kept = refusing if outcome.verdict == "blocked" else warning
                kept.extend(outcome.findings[: FINDINGS - len(kept)])
        except UnreadError as error:
            refusing.append(_unread(str(error)))
        return GateReport(
            gate=GATE,
            verdict="refused" if refusing else "passed",
            summary=f"{declared} checks, {pieces} texts, {len(refusing) + len(warning)} findings",
            findings=(*refusing, *warning)[:FINDINGS],
        )

    def _look(self, case: Case) -> Iterator[Outcome]:
        everything = "\n".join(case.texts.values())
        yield self._piece(everything, Place("the texts", fixed=True, part="sum"))
        for label, text in case.texts.items():
            yield self._piece(text, Place(label, fixed=True, part="fragment"))
        for number, change in enumerate(case.patch.changes, 1):
            if change.old_oid is None:
                place = Place(f"the name of file {number}", fixed=True, part="fragment")
                name = decode_path(change.path).decode(errors="surrogateescape")
                yield self._piece(name, place)  # quoted, it would hide what it is checked for
        for each in _bounded(self.added(case)):
            place = Place(each.path, each.path, each.first_line, fixed=True, part="fragment")
            yield self._piece(each.text, place)

    def _piece(self, text: str, place: Place) -> Outcome:
        return self.guard.check("output", text, place)


def _bounded(pieces: Iterable[Added]) -> Iterator[Added]:
    """Raises UnreadError: there is more than can be looked at."""
    left = TOTAL_CHARS
    for each in pieces:
        left -= len(each.text)
        if left < 0:
            raise UnreadError(f"the change adds more than the {TOTAL_CHARS} characters looked at")
        yield each


def _unread(why: str) -> Finding:
    return Finding(
        gate=GATE, code=f"{GATE}.unread", why=why, remedy="make the change plainer", retryable=True
    )
