"""Test results in JUnit's XML, as pytest and many others write it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from runner.gates.bounded_xml import NotReadableError, read
from runner.records.results import Outcome, Result, Results
from runner.text import line

MOST_TESTS = 200_000
ID_CHARS = 400
REASON_CHARS = 200
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")
_WORST: tuple[Outcome, ...] = ("error", "failed", "xfailed", "skipped", "xpassed", "passed")


def parse(data: bytes) -> Results | None:
    """None = no JUnit report."""
    cases = _Cases()
    try:
        read(data, cases.begin, cases.end)
    except NotReadableError:
        return None
    return gathered("junit", iter(cases.found)) if cases.is_junit else None


def gathered(source: str, found: Iterator[tuple[str, Result]]) -> Results | None:
    """One result for each id, the worst that is told of it; None = too many."""
    tests: dict[str, Result] = {}
    for told, result in found:
        name = _ADDRESS.sub("0x", line(told, ID_CHARS))
        known = tests.get(name)
        if known is None or _WORST.index(result.outcome) < _WORST.index(known.outcome):
            tests[name] = result
        if len(tests) > MOST_TESTS:
            return None
    skipped = sum(each.outcome == "skipped" for each in tests.values())
    return Results(source=source, tests=tests, executed=len(tests) - skipped, skipped=skipped)


class _Cases:
    """`<testcase classname name file>` with `<failure>`, `<error>` or `<skipped>` inside."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Result]] = []
        self.is_junit = False
        self._name, self._path = "", ""
        self._outcome: Outcome = "passed"
        self._reason = ""

    def begin(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in ("testsuite", "testsuites"):
            self.is_junit = True
        elif name == "testcase":
            names = (attributes.get("classname", ""), attributes.get("name", ""))
            self._name = "::".join(filter(None, names))
            self._path = attributes.get("file", "")[:ID_CHARS]
            self._outcome, self._reason = "passed", ""
            if len(self.found) > 2 * MOST_TESTS:
                raise NotReadableError("too many tests")
        elif name in ("failure", "error", "skipped"):
            self._ended(name, attributes)

    def end(self, name: str) -> None:
        if name == "testcase":
            result = Result(outcome=self._outcome, path=self._path, reason=self._reason)
            self.found.append((self._name, result))

    def _ended(self, name: str, attributes: Mapping[str, str]) -> None:
        outcome: Outcome = "error" if name == "error" else "failed"
        if name == "skipped":
            outcome = "xfailed" if "xfail" in attributes.get("type", "") else "skipped"
        self._outcome = outcome
        self._reason = line(attributes.get("message", ""), REASON_CHARS)
