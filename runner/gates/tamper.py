"""Gate `tamper`: a change may not make its own tests easier to pass.

The old and the new side of every changed file are compared, never a diff's text, so renames, line
ends and attributes hide nothing. What only a person can judge is a warning, told to the reviewer.
1. Tests that are gone, skipped or check less; assertions that swallow their own failure.
2. Files that decide how tests are run, and new ones that would be run in a test runner's place.
3. Code that ends the process early or asks whether it is being tested.
A task may allow it for a path that it names in `may_change_tests`; the request then says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.gates import pytests, steering, wordtests
from runner.gates.compare import Both, Suspicion, compare
from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.text import line

NAME = "tamper"
REGULAR = ("100644", "100755")
PARSED_BYTES = 1024 * 1024
WORD_CHARS = 160
FINDINGS = 100


def check(case: Case) -> GateReport:
    """Raises InfraError: a blob cannot be read."""
    allowed = frozenset(case.plan.task.may_change_tests)
    suspicions = [*_files(case), *compare(_sides(case))]
    findings = [_finding(each, allowed) for each in suspicions]
    findings.sort(
        key=lambda each: (each.why.startswith("warning"), each.path or "", each.line or 0)
    )
    refused = [each for each in findings if not each.why.startswith("warning")]
    return GateReport(
        gate=NAME,
        verdict="refused" if refused else "passed",
        summary=f"{len(refused)} ways to weaken the tests, {len(findings) - len(refused)} warnings",
        findings=tuple(findings[:FINDINGS]),
    )


def _files(case: Case) -> Iterator[Suspicion]:
    """Whole files that steer or replace a test runner."""
    for change in case.patch.changes:
        old, new = _content(case, change)
        what = steering.shadows(change.path) if change.old_oid is None else None
        if what is not None:
            yield Suspicion("shadow", change.path, 1, f"would be used instead of {what}")
        steered = steering.steers(change.path, old, new)
        if steered is None and steering.named(case.plan.test, change.path):
            steered = "the test command runs it"
        if steered is not None:
            yield Suspicion("steered", change.path, 1, steered)


def _sides(case: Case) -> Iterator[Both]:
    for change in case.patch.changes:
        if change.path.endswith((".py", ".pyi")):
            old, new = _content(case, change)
            parsed = _python(old), _python(new)
            lost = new is not None and parsed[1] is None and (old is None or parsed[0] is not None)
            yield Both(change.path, *parsed, unreadable=lost)
        elif (of := wordtests.language(change.path)) is not None:
            old, new = _content(case, change)
            sides = [wordtests.words(data, of) if data is not None else None for data in (old, new)]
            yield Both(change.path, sides[0], sides[1])


def _python(data: bytes | None) -> pytests.Parsed | None:
    return None if data is None or len(data) > PARSED_BYTES else pytests.parse(data)


def _content(case: Case, change: Change) -> tuple[bytes | None, bytes | None]:
    """Both sides as regular files; a symbolic link in a file's place holds no tests."""
    old = case.blob(change.old_oid) if change.old_oid and change.old_mode in REGULAR else None
    new = case.blob(change.new_oid) if change.new_oid and change.new_mode in REGULAR else None
    return old, new


def _finding(each: Suspicion, allowed: frozenset[str]) -> Finding:
    why = f"{each.path}:{each.line}: {line(each.what, WORD_CHARS)}"
    if each.path in allowed:
        why = f"warning: {why}; the task allows it (may_change_tests)"
    elif each.only_a_warning:
        why = f"warning: {why}"
    return Finding(
        gate=NAME,
        code=f"{NAME}.{each.code}",
        path=each.path,
        line=each.line,
        why=why,
        remedy=(
            "leave the tests as strict as they were; if this change is wanted, a person makes it, "
            f'or the task says may_change_tests = ["{each.path}"]'
        ),
        retryable=True,
    )
