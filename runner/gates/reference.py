"""One run of the tests against the base's: what is gone, newly skipped, newly failing.

The base's results are of code nobody changed; the others are told by the change itself. So what
they say can make a change worse, never better.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.ports import Case
from runner.records.results import Result, Results


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason not to believe in a run of the tests, or to look at it."""

    code: str
    what: str
    remedy: str
    path: str | None = None
    warning: bool = False


RUN_IT = "let the test run again; a test that has to go is named in may_change_tests by the task"
MEND = "make the test pass without weakening it"


@dataclass(frozen=True, slots=True)
class Files:
    """What the change did to test files, and what the task allows."""

    changed: frozenset[str]
    allowed: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, case: Case) -> Files:
        changed = frozenset(change.path for change in case.patch.changes)
        return cls(changed, frozenset(case.plan.task.may_change_tests))

    def allow(self, result: Result) -> bool:
        return _belongs(result, self.allowed)

    def change(self, result: Result) -> bool:
        return _belongs(result, self.changed)


def differences(base: Results, now: Results, files: Files) -> Iterator[Doubt]:
    """What the base's tests did that these no longer do; failures are not looked at."""
    if base.tests and now.tests:
        yield from _gone(base, now, files)
        yield from _silenced(base, now, files)
    elif now.executed < base.executed:
        allowed = bool(files.allowed)
        yield Doubt(
            "fewer",
            f"{now.executed} tests were executed, {base.executed} on the base",
            RUN_IT,
            warning=allowed,
        )


def new_failures(base: Results | None, now: Results) -> dict[str, Result]:
    """Failing tests that do not fail on the base."""
    before = base.failing if base else {}
    return {name: each for name, each in now.failing.items() if name not in before}


def _gone(base: Results, now: Results, files: Files) -> Iterator[Doubt]:
    gone = {name: base.tests[name] for name in base.ran if name not in now.tests}
    new = [name for name in now.ran if name not in base.tests]
    moved = Counter(_bare(name) for name in new)
    kinds = Counter(_function(name) for name in new)
    missing = Counter(map(_function, gone))
    for name, result in sorted(gone.items()):
        if moved[_bare(name)] and files.change(result):
            moved[_bare(name)] -= 1
            continue
        renamed = _function(name) != name and kinds[_function(name)] >= missing[_function(name)]
        doubt = Doubt("gone", f"{name} was executed on the base and is not any more", RUN_IT)
        yield _placed(doubt, result, files, warning=renamed)


def _silenced(base: Results, now: Results, files: Files) -> Iterator[Doubt]:
    for name, result in sorted(now.tests.items()):
        if result.outcome not in ("skipped", "xfailed"):
            continue
        before = base.tests.get(name)
        if before is not None and before.outcome in ("skipped", "xfailed"):
            continue
        word = "is skipped" if result.outcome == "skipped" else "is expected to fail"
        reason = f" ({result.reason})" if result.reason else ""
        was = "is new and" if before is None else "counted on the base and now"
        doubt = Doubt(result.outcome, f"{name} {was} {word}{reason}", RUN_IT)
        yield _placed(doubt, result, files, warning=before is None)


def _placed(doubt: Doubt, result: Result, files: Files, *, warning: bool) -> Doubt:
    allowed = files.allow(result)
    what = f"{doubt.what}; the task allows it (may_change_tests)" if allowed else doubt.what
    return Doubt(doubt.code, what, doubt.remedy, result.path or None, warning or allowed)


def failures(failing: Mapping[str, Result], base: Results | None) -> Iterator[Doubt]:
    """One for each failing test; those that fail on the base too are only told."""
    before = base.failing if base else {}
    for name, each in sorted(failing.items()):
        reason = f": {each.reason}" if each.reason else ""
        verb = "failed" if each.outcome == "failed" else "broke"
        if name in before:
            what = f"{name} {verb}, as on the base{reason}"
            yield Doubt("failed-before", what, "not this change's", each.path or None, True)
        else:
            yield Doubt("failure", f"{name} {verb}{reason}", MEND, each.path or None)


def _bare(name: str) -> str:
    return name.rpartition("::")[2]


def _function(name: str) -> str:
    """Without the parameters, whose names may be made of chance."""
    return re.sub(r"\[.*\Z", "", name, flags=re.DOTALL)


def _belongs(result: Result, paths: frozenset[str]) -> bool:
    """Frameworks spell paths from where they were started, and most tell none at all."""
    if not result.path:
        return bool(paths)
    told = result.path.removeprefix("/work/").removeprefix("./")
    return any(path == told or path.endswith("/" + told) for path in paths)
