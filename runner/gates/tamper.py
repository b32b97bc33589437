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

from runner.gates import pytests, reach, steering, wordtests
from runner.gates.compare import Both, compare
from runner.gates.languages import Language, language
from runner.gates.suspicion import Suspicion
from runner.gates.testpaths import is_collected, is_data, is_snapshot
from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.paths import decode_path, encode_path
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
    """Whole files that steer or replace a test runner, or say what is right."""
    run = reach.paths(case.plan.test, case.base_blob)
    there = {change.new_oid for change in case.patch.changes}
    for change in case.patch.changes:
        path = _name(change)
        old, new = _content(case, change)
        is_new = change.old_oid is None
        what = steering.shadows(path, lambda at: case.at_base(_quoted(at))) if is_new else None
        if what is not None:
            yield Suspicion("shadow", path, 1, f"would be used instead of {what}")
        steered = steering.steers(path, old, new)
        if steered is None and path in run and not _is_compared(path, old):
            steered = "the test command runs it"  # a file of tests is compared, test by test
        if steered is not None:
            mild = old is None and path not in run and steering.on_demand(path)
            yield Suspicion("steered", path, 1, steered, only_a_warning=mild)
        elif not is_new and change.old_oid not in there:
            yield from _expected(path, old or b"", new)


def _name(change: Change) -> str:
    """As file systems have it, for rules about names: a quoted form ends in a quote, not `.py`."""
    return decode_path(change.path).decode(errors="surrogateescape")


def _quoted(name: str) -> str:
    """As records have it."""
    return encode_path(name.encode(errors="surrogateescape"))


def _is_compared(path: str, old: bytes | None) -> bool:
    side = _read(old, language(path)) if is_collected(path) else None
    return side is not None and bool(side.tests)


def _expected(path: str, old: bytes, new: bytes | None) -> Iterator[Suspicion]:
    """A file that tests may compare with: who writes it and the code agrees with himself."""
    if is_snapshot(path) and not (new or b"").strip():
        yield Suspicion("weakened", path, 1, "a snapshot is gone: a runner would make it anew")
    elif (is_snapshot(path) or is_data(path)) and old != new:
        at = 1 if new is None else _first_difference(old, new)
        verb = "is gone" if new is None else "is another"
        what = f"what tests may compare with {verb}"
        yield Suspicion("expected", path, at, what, only_a_warning=True)


def _first_difference(old: bytes, new: bytes) -> int:
    before, after = old.splitlines(), new.splitlines()
    pairs = enumerate(zip(before, after, strict=False), 1)
    ends = max(min(len(before), len(after)), 1)
    return next((at for at, (one, other) in pairs if one != other), ends)


def _sides(case: Case) -> Iterator[Both]:
    for change in case.patch.changes:
        path = _name(change)
        of = language(path)
        if path.endswith((".py", ".pyi")) or of is not None:
            old, new = (_read(each, of) for each in _content(case, change))
            unreadable = change.new_mode in REGULAR and new is None
            yield Both(path, old, new, unreadable, change.old_oid is None)


def _read(data: bytes | None, of: Language | None) -> pytests.Parsed | wordtests.Words | None:
    """None = it is not there, or is too large, too deep or no program."""
    if data is None:
        return None
    if of is not None:
        return wordtests.words(data, of)
    return None if len(data) > PARSED_BYTES else pytests.parse(data)


def _content(case: Case, change: Change) -> tuple[bytes | None, bytes | None]:
    """Both sides as regular files; a symbolic link in a file's place holds no tests."""
    old = case.blob(change.old_oid) if change.old_oid and change.old_mode in REGULAR else None
    new = case.blob(change.new_oid) if change.new_oid and change.new_mode in REGULAR else None
    return old, new


def _finding(each: Suspicion, allowed: frozenset[str]) -> Finding:
    path = _quoted(each.path)
    why = f"{path}:{each.line}: {line(each.what, WORD_CHARS)}"
    if path in allowed:
        why = f"warning: {why}; the task allows it (may_change_tests)"
    elif each.only_a_warning:
        why = f"warning: {why}"
    return Finding(
        gate=NAME,
        code=f"{NAME}.{each.code}",
        path=path,
        line=each.line,
        why=why,
        remedy=(
            "leave the tests as strict as they were; if this change is wanted, a person makes it, "
            f'or the task says may_change_tests = ["{path}"]'
        ),
        retryable=True,
    )
