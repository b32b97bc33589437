"""Test results out of what a framework prints: go, cargo, TAP, jest, unittest, and plain counts.

Tests by name count only where the framework's own total, if it prints one, agrees with them: lines
can be torn by what tests print. Otherwise the numbers alone are used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runner.gates.junit import gathered
from runner.records.results import Outcome, Result, Results

_M = re.MULTILINE
MOST_NESTED, NAME_CHARS = 20, 100
_GO = re.compile(
    r"^( *)--- (PASS|FAIL|SKIP): (\S+)|^(ok|FAIL)[ \t]+(\S+)[ \t]+(?:[\d.]+s|\(cached\))", _M
)
_GO_ENDS: dict[str, Outcome] = {"pass": "passed", "fail": "failed", "skip": "skipped"}
_CARGO = re.compile(r"^test (.+?) \.\.\. (ok|FAILED|ignored)\b", _M)
_CARGO_ENDS: dict[str, Outcome] = {"ok": "passed", "FAILED": "failed", "ignored": "skipped"}
_CARGO_SUM = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", _M)
_TAP = re.compile(r"( *)(?:# Subtest: (.*)|(not )?ok \d+(?: -)?(?: (.*?))?(?: # (SKIP|TODO)\b.*)?)")
_UNITTEST = re.compile(
    r"^(\w+ \([\w.]+\))(?:\n.*)?? \.\.\. "
    r"(ok|FAIL|ERROR|skipped .*|expected failure|unexpected success)$",
    _M,
)
_UNITTEST_ENDS: dict[str, Outcome] = {
    "ok": "passed",
    "FAIL": "failed",
    "ERROR": "error",
    "expected failure": "xfailed",
    "unexpected success": "xpassed",
}
_UNITTEST_SUM = re.compile(r"^Ran (\d+) tests? in ", _M)
_UNITTEST_SKIPS = re.compile(r"^(?:OK|FAILED) \(.*?skipped=(\d+)", _M)
_JEST = {"passed": "passed", "failed": "failed", "pending": "skipped", "todo": "skipped"}


@dataclass(frozen=True, slots=True)
class _Count:
    """A line that sums up: named groups `ran` (or `total`) and `skipped` are added over lines."""

    source: str
    line: re.Pattern[str]


_COUNTS = (
    _Count("pytest", re.compile(r"^(?:=+ )?(?P<all>(?:\d+ \w+, )*\d+ \w+) in [\d.]+s", _M)),
    _Count("jest", re.compile(r"^[ \t]*Tests:?[ \t]+(?P<all>(?:\d+ \w+(?:, | \| ))*\d+ \w+)", _M)),
    _Count("mocha", re.compile(r"^[ \t]*(?P<all>\d+ (?:passing|failing|pending))\b", _M)),
    _Count(
        "rspec", re.compile(r"^(?P<ran>\d+) examples?, \d+ failures?(?:, (?P<less>\d+) p)?", _M)
    ),
    _Count("phpunit", re.compile(r"^(?:OK \(|Tests: )(?P<ran>\d+)(?: tests?)?, ", _M)),
    _Count(
        "maven",
        re.compile(
            r"^(?:\[\w+\] )?Tests run: (?P<ran>\d+), Failures: \d+, Errors: \d+, "
            r"Skipped: (?P<less>\d+)$",
            _M,
        ),
    ),
)
_RAN = frozenset(
    {"passed", "failed", "error", "errors", "xfailed", "xpassed", "passing", "failing"}
)
_NOT_RAN = frozenset({"skipped", "pending", "todo"})
_NUMBER = re.compile(r"(\d+) (\w+)")


def parse(stdout: str, stderr: str) -> Results | None:
    """None = no framework that is known here."""
    readers: tuple[Callable[[str], Results | None], ...] = (_go, _cargo, _tap, _jest, _unittest)
    for text in (stdout, stderr):
        for read in readers:
            if (found := read(text)) is not None:
                return found
    both = f"{stdout}\n{stderr}" if stdout and stderr else stdout or stderr
    return _counted(both)  # large: not copied without need


def _go(text: str) -> Results | None:
    if '"Action":' in text:
        return gathered("go", _go_json(text))
    if not any(match[4] for match in _GO.finditer(text)):
        return None
    found: list[tuple[str, Result]] = []
    tests: list[tuple[str, Outcome]] = []
    for match in _GO.finditer(text):
        if match[2]:
            tests.append((match[3], _GO_ENDS[match[2].lower()]))
            continue
        package = match[5]
        end: Outcome = "passed" if match[4] == "ok" else "failed"
        if "[no tests to run]" not in text[match.end() : text.find("\n", match.end())]:
            found.append((package, Result(outcome=end)))
        found += [(f"{package}::{name}", Result(outcome=o)) for name, o in tests]
        tests = []
    return gathered("go", iter(found))


def _go_json(text: str) -> Iterator[tuple[str, Result]]:
    for row in text.splitlines():
        try:
            event = json.loads(row) if row.startswith("{") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("Test") and event.get("Action") in _GO_ENDS:
            package = str(event.get("Package", ""))
            outcome = _GO_ENDS[event["Action"]]
            yield f"{package}::{event['Test']}", Result(outcome=outcome)


def _cargo(text: str) -> Results | None:
    sums = _CARGO_SUM.findall(text)
    if not sums:
        return None
    ran = sum(int(passed) + int(failed) for passed, failed, _ in sums)
    skipped = sum(int(ignored) for _, _, ignored in sums)
    rows = _CARGO.findall(text)
    named = ((name, Result(outcome=_CARGO_ENDS[end])) for name, end in rows)
    return _agreed("cargo", named, len(rows), ran, skipped)


def _tap(text: str) -> Results | None:
    if not text.startswith("TAP version "):
        return None
    return gathered("tap", _tap_tests(text))


def _tap_tests(text: str) -> Iterator[tuple[str, Result]]:
    """Node names a test before its subtests, whose lines are indented; after it come details,
    between `---` and `...`, which say whether it is only a suite."""
    above: list[tuple[int, str]] = []
    last: tuple[str, Result] | None = None
    end: str | None = None
    for row in text.splitlines():
        if end is not None:
            last = None if row.strip() == "type: 'suite'" else last
            end = None if row == end else end
        elif row.strip() == "---":
            end = row.replace("---", "...")
        elif match := _TAP.fullmatch(row):
            above = [each for each in above if each[0] < len(match[1])]
            if match[2] is not None:
                above = [*above[:MOST_NESTED], (len(match[1]), match[2][:NAME_CHARS])]
                continue
            if last is not None:
                yield last
            names = [*(each for _, each in above), match[4] or ""]
            last = (" > ".join(names), Result(outcome=_tap_end(match[3], match[5])))
    if last is not None:
        yield last


def _tap_end(failed: str | None, directive: str | None) -> Outcome:
    match directive:
        case None:
            return "failed" if failed else "passed"
        case "SKIP":
            return "skipped"
        case _:
            return "xfailed" if failed else "xpassed"


def _jest(text: str) -> Results | None:
    """`jest --json`, also vitest's reporter of that name."""
    if '"numTotalTests"' not in text or "{" not in text:
        return None
    try:
        told = json.loads(text[text.index("{") :])
        files = told["testResults"]
        named = [
            (str(test["fullName"]), Result(outcome=_jest_end(test), path=str(file["name"])))
            for file in files
            for test in file["assertionResults"]
        ]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return gathered("jest", iter(named))


def _jest_end(test: dict[str, object]) -> Outcome:
    match _JEST.get(str(test["status"])):
        case "passed":
            return "passed"
        case "failed":
            return "failed"
        case _:
            return "skipped"


def _unittest(text: str) -> Results | None:
    sums = _UNITTEST_SUM.findall(text)
    if not sums:
        return None
    skipped = sum(map(int, _UNITTEST_SKIPS.findall(text)))
    total = sum(map(int, sums))
    rows = _UNITTEST.findall(text)
    named = (
        (name, Result(outcome=_UNITTEST_ENDS.get(end, "skipped"), reason=end[:200]))
        for name, end in rows
    )
    return _agreed("unittest", named, len(rows), total - skipped, skipped)


def _agreed(
    source: str, named: Iterator[tuple[str, Result]], rows: int, ran: int, skipped: int
) -> Results | None:
    """By name if as many are named as were counted."""
    found = gathered(source, named) if rows == ran + skipped else None
    if found is not None and found.executed + found.skipped == ran + skipped:
        return found
    return Results(source=source, executed=ran, skipped=skipped)


def _counted(text: str) -> Results | None:
    for count in _COUNTS:
        matches = list(count.line.finditer(text))
        if not matches:
            continue
        ran = skipped = 0
        for match in matches:
            groups = match.groupdict()
            numbers = [(int(n), word) for n, word in _NUMBER.findall(groups.get("all") or "")]
            less = int(groups.get("less") or 0)
            skipped += less + sum(number for number, word in numbers if word in _NOT_RAN)
            ran += int(groups.get("ran") or 0) - less
            ran += sum(number for number, word in numbers if word in _RAN)
        if ran or skipped:
            return Results(source=count.source, executed=ran, skipped=skipped)
    return None
