"""The tests of a whole change, before and after."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.gates.pytests import Parsed, Test
from runner.gates.wordtests import Words

_TEST_PATH = re.compile(
    r"(?i)(?:^|/)(?:tests?|specs?|__tests__|testing|e2e|integration)/|(?:^|/)(?:test_|conftest\.)[^/]*$"
    r"|[_.-](?:tests?|spec)\.[^/]+$|(?:Tests?|Spec|IT)\.\w+$"
)
_PYTEST_PATH = re.compile(r"(?:^|/)(?:test[^/]*|[^/]*tests?)\.py$")
KINDS = ("silenced", "skips", "traps")
_CONSTANT = re.compile(r"(?:assert |\w*\.?assert(?:True|False)?\()?(?:True|1|False|0|None)\)?")
_COMPARES = re.compile(
    r"==|!=|(?i:equal|raises|match|throws|toBe|toEqual|contain|count|almost|called|verify)"
)
_ORDINARY = re.compile(
    r"atexit\.|from atexit|os\.(?:exec|kill)|from os import (?!.*(?:_exit|abort|\*))|signal\."
    r"|sys\.set"
)
"""Ways to end or steer a process that programs have honest uses for."""
_LOOSE = re.compile(
    r"is not None|IsNotNone|isinstance|>= ?0\b|toBeDefined|toBeTruthy|not_to be_nil"
)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """One place where a change makes tests weaker, or may."""

    code: str
    path: str
    line: int
    what: str
    only_a_warning: bool = False


@dataclass(frozen=True, slots=True)
class Both:
    """One changed file. None = it does not exist on that side, or cannot be read."""

    path: str
    old: Parsed | Words | None
    new: Parsed | Words | None
    unreadable: bool = False
    """It can no longer be parsed."""


def compare(files: Iterable[Both]) -> Iterator[Suspicion]:
    """A test that moved to another file, or only changed its name, is still there."""
    both = tuple(files)
    added = _added(both)
    before = _Before(both)
    for each in both:
        if each.unreadable and is_test(each.path):
            yield Suspicion("unreadable", each.path, 1, "tests that cannot be read any more")
        yield from _gone(each, added)
        yield from _new_words(each, before)
        if isinstance(each.old, Words) and isinstance(each.new, Words):
            yield from _fewer_words(each.path, each.old, each.new)
        if isinstance(each.new, Parsed):
            yield from _weaker(each.path, each.new, each.old, before)
        if isinstance(each.new, Parsed) and isinstance(each.old, Parsed) and is_test(each.path):
            yield from _weaker_checkers(each.path, each.old, each.new)


class _Before:
    """What all changed files together had: nothing that moved is new."""

    def __init__(self, both: Iterable[Both]) -> None:
        self.words: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.tests: dict[str, Test] = {}
        for each in both:
            for kind in KINDS:
                self.words[kind].update(_counted(each.old, kind))
            for test in each.old.tests if isinstance(each.old, Parsed) else ():
                self.tests.setdefault(_bare(test), test)


def _bare(test: Test) -> str:
    return test.name.rpartition("::")[2]


def is_test(path: str) -> bool:
    return _TEST_PATH.search(path) is not None


def is_collected(path: str) -> bool:
    """A test runner finds the tests of a file with this name."""
    names = _PYTEST_PATH if path.endswith(".py") else _TEST_PATH
    return names.search(path) is not None


def _added(both: Iterable[Both]) -> Counter[str]:
    """Tests that are there afterwards and were not before, by bare name; `checks of` by content."""
    found: Counter[str] = Counter()
    for each in both:
        run = each.old is not None or is_collected(each.path)
        for sign, side in ((1, each.new if run else None), (-1, each.old)):
            for name, checks in _names(side):
                found[name] += sign
                found[checks] += sign if checks else 0
    return found


def _names(side: Parsed | Words | None) -> Iterator[tuple[str, str]]:
    if isinstance(side, Parsed):
        for test in side.tests:
            checks = "\n".join(sorted(test.checks.elements()))
            if test.is_collected:
                yield _bare(test), f"checks:\n{checks}" if checks else ""
            else:
                yield f"{_bare(test)} (of a class that is no test)", ""
    elif isinstance(side, Words):
        for name in side.tests:
            yield name, ""


def _gone(each: Both, added: Counter[str]) -> Iterator[Suspicion]:
    if each.old is None or (isinstance(each.old, Words) and not is_test(each.path)):
        return
    kept = {name for name, _ in _names(each.new)}
    for name, checks in _names(each.old):
        elsewhere = added[name] >= 0 or (checks and added[checks] >= 0)
        if name not in kept and not elsewhere:
            yield Suspicion("deleted", each.path, _line(each.old, name), f"test {name} is gone")


def _line(side: Parsed | Words, name: str) -> int:
    if isinstance(side, Words):
        return side.tests[name]
    bare = name.partition(" ")[0]
    return next(test.line for test in side.tests if _bare(test) == bare)


def _new_words(each: Both, before: _Before) -> Iterator[Suspicion]:
    """Statements that silence tests or end the process, beyond those some file had before."""
    if each.new is None:
        return
    for kind in KINDS:
        for text in _counted(each.new, kind) - before.words[kind]:
            line = each.new.lines.get(text, 1)
            if kind == "traps":
                mild = not is_test(each.path) and (
                    isinstance(each.new, Words) or _ORDINARY.match(text) is not None
                )
                what = f"ends the process early or asks who runs it: {text}"
                yield Suspicion("trap", each.path, line, what, only_a_warning=mild)
            elif isinstance(each.new, Parsed) or is_test(each.path):
                yield Suspicion("skipped", each.path, line, f"keeps tests from running: {text}")


def _counted(side: Parsed | Words | None, kind: str) -> Counter[str]:
    """A test's own skips are told test by test."""
    found = getattr(side, kind, None)
    return found if isinstance(found, Counter) else Counter()


def _fewer_words(path: str, old: Words, new: Words) -> Iterator[Suspicion]:
    if is_test(path) and new.checks.total() < old.checks.total():
        gone = next(iter(old.checks - new.checks))
        what = f"{new.checks.total()} of {old.checks.total()} assertions are left; gone: {gone}"
        yield Suspicion("weakened", path, 1, what)
    elif is_test(path) and (changed := old.checks - new.checks):
        yield from _softened(path, 1, changed, new.checks - old.checks)
    elif is_test(path) and new.text[: len(old.text)] != old.text:
        what = "its tests do something else than before"
        yield Suspicion("changed", path, 1, what, only_a_warning=True)


def _weaker(
    path: str, new: Parsed, was: Parsed | Words | None, before: _Before
) -> Iterator[Suspicion]:
    """Tests that are on both sides: in the same file, or else wherever they were."""
    known_tests = was.tests if isinstance(was, Parsed) else ()
    here = {_bare(test): test for test in known_tests} | {test.name: test for test in known_tests}
    for test in new.tests:
        bare = _bare(test)
        old = here.get(test.name) or here.get(bare) or before.tests.get(bare)
        known = Counter(words for _, words in old.skips) if old else Counter[str]()
        for line, words in test.skips:
            known[words] -= 1
            if known[words] < 0:
                yield Suspicion("skipped", path, line, f"{test.name}: {words}")
        if old is not None:
            yield from _compared(path, old, test)


def _weaker_checkers(path: str, old: Parsed, new: Parsed) -> Iterator[Suspicion]:
    """Functions that tests call, and what makes a class a test case."""
    known = {test.name: test for test in new.checkers}
    for test in old.checkers:
        if test.name in known:
            yield from _compared(path, test, known[test.name])
        else:
            what = f"{test.name} checked something for the tests, and no more"
            yield Suspicion("weakened", path, 1, what)
    classes = {test.name.partition("::")[0]: test.line for test in new.tests}
    for name in sorted((old.cases - new.cases) & classes.keys()):
        yield Suspicion("skipped", path, classes[name], f"{name} is no unittest TestCase any more")


def _compared(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    """A change that nothing else explains is at least told."""
    found = tuple(_looser(path, old, new))
    yield from found
    if not found and old.skips == new.skips and old.body != new.body:
        what = f"the test {new.name} does something else than before"
        yield Suspicion("changed", path, new.line, what, only_a_warning=True)


def _looser(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    if new.cases < old.cases:
        what = f"{new.name}: {new.cases} of {old.cases} parameter sets are left"
        yield Suspicion("weakened", path, new.line, what)
    gone, come = old.checks - new.checks, new.checks - old.checks
    if new.checks.total() < old.checks.total():
        left = f"{new.checks.total()} of {old.checks.total()} assertions are left"
        what = f"{new.name}: {left}; gone: {next(iter(gone))}"
        yield Suspicion("weakened", path, new.line, what)
    elif hidden := (old.always - new.always) & new.checks:
        what = f"{new.name}: an assertion may not be reached any more: {next(iter(hidden))}"
        yield Suspicion("weakened", path, new.line, what)
    elif new.always.total() < old.always.total():
        what = f"{new.name}: {new.always.total()} of {old.always.total()} assertions always run"
        yield Suspicion("weakened", path, new.line, what)
    elif gone:
        yield from _softened(path, new.line, gone, come)


def _softened(path: str, line: int, gone: Counter[str], come: Counter[str]) -> Iterator[Suspicion]:
    """As many assertions as before, but others."""
    before, after = _strength(gone), _strength(come)
    what = f"an assertion was replaced: {next(iter(gone))} -> {next(iter(come), 'nothing')}"
    if after < before:
        yield Suspicion("weakened", path, line, what)
    else:
        yield Suspicion("changed", path, line, what, only_a_warning=True)


def _strength(checks: Counter[str]) -> int:
    """0 for one that cannot fail, 1 for one that nearly anything passes, 2 for a comparison."""
    total = 0
    for text, times in checks.items():
        if _CONSTANT.fullmatch(text):
            continue
        loose = _LOOSE.search(text) or not _COMPARES.search(text)
        total += times * (1 if loose else 2)
    return total
