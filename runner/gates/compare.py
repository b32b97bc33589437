"""The tests of a whole change, before and after."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.gates import beside, weaker
from runner.gates.context import Function
from runner.gates.pytests import Parsed, Test
from runner.gates.suspicion import Suspicion
from runner.gates.testpaths import is_collected, is_test
from runner.gates.wordtests import Words

KINDS = ("silenced", "leaving", "skips", "traps", "patched", "doubles")
_ORDINARY = re.compile(
    r"atexit\.|from atexit|os\.(?:exec|kill)|from os import (?!.*(?:_exit|abort|\*))|signal\."
    r"|(?:sys\.(?:set|_)|gc\.|inspect\.|traceback\.)\w+\Z|.*\.(?:f_back|tb_frame)\Z"
    r"|sys\.modules\[(?!['\"]_?(?:pytest|unittest|nose|doctest))|from (?:sys|inspect|traceback) |\{"
)
"""Ways to end, steer or look into a process that programs have honest uses for."""
_SAYS = {
    "silenced": ("skipped", "keeps tests from running"),
    "leaving": ("skipped", "keeps tests from running"),
    "skips": ("skipped", "keeps tests from running"),
    "traps": ("trap", "ends the process early or asks who runs it"),
    "patched": ("rebound", "replaces something for all tests"),
    "doubles": ("changed", "puts something else in the place of what is tested"),
}


@dataclass(frozen=True, slots=True)
class Both:
    """One changed file. None = it does not exist on that side, or cannot be read."""

    path: str
    old: Parsed | Words | None
    new: Parsed | Words | None
    unreadable: bool = False
    """It cannot be parsed."""

    is_new: bool = False

    @property
    def is_test(self) -> bool:
        """By its path, or because tests stand among the code."""
        inline = self.path.endswith(".rs") and any(
            isinstance(side, Words) and side.tests for side in (self.old, self.new)
        )
        return inline or is_test(self.path)


def compare(files: Iterable[Both]) -> Iterator[Suspicion]:
    """A test that moved to another file, or only changed its name, is still there."""
    both = tuple(files)
    added = _added(both)
    before = _Before(both)
    for each in both:
        try:
            yield from _gone(each, added)
            yield from _file(each, before)
        except RecursionError:
            yield Suspicion("trap", each.path, 1, "something nested too deeply to be compared")


def _file(each: Both, before: _Before) -> Iterator[Suspicion]:
    deep = isinstance(each.new, Parsed) and each.new.is_too_deep
    if (each.unreadable or deep) and is_test(each.path):
        was = isinstance(each.old, Parsed) and each.old.is_too_deep
        mild = was or (each.old is None and not each.is_new)
        what = "tests that cannot be read" + ("" if mild or each.is_new else " any more")
        yield Suspicion("unreadable", each.path, 1, what, only_a_warning=mild)
    yield from _new_words(each, before)
    if isinstance(each.old, Words) and isinstance(each.new, Words) and each.is_test:
        yield from weaker.words(each.path, each.old, each.new)
    if isinstance(each.new, Parsed):
        old = each.old if isinstance(each.old, Parsed) else None
        yield from _weaker(each.path, each.new, old, before)
        yield from beside.compare(each.path, old.beside if old else None, each.new.beside)
        if old is not None and is_test(each.path):
            yield from _weaker_checkers(each.path, old, each.new, before)


class _Before:
    """What all changed files together had: nothing that moved is new."""

    def __init__(self, both: Iterable[Both]) -> None:
        self.words: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        self.tests: dict[str, Test] = {}
        self.alike: dict[str, Test] = {}
        """Those whose name is gone, by what they check."""
        self._parsed: list[tuple[Parsed | None, Parsed]] = []
        self._made: frozenset[str] | None = None
        left = {_bare(t) for each in both if isinstance(each.new, Parsed) for t in each.new.tests}
        for each in both:
            for kind in KINDS:
                self.words[kind].update(_counted(each.old, kind))
            for test in each.old.tests if isinstance(each.old, Parsed) else ():
                self.tests.setdefault(_bare(test), test)
                if _bare(test) not in left:
                    self.alike.setdefault(_checks(test), test)
            if isinstance(each.new, Parsed):
                self._parsed.append((each.old if isinstance(each.old, Parsed) else None, each.new))

    def __contains__(self, name: object) -> bool:
        """A function or class of this name was written or changed."""
        if self._made is None:
            self._made = frozenset(self._written())
        return name in self._made

    def _written(self) -> Iterator[str]:
        for old, new in self._parsed:
            for known, node in new.beside.parts.items():
                if not (isinstance(node, Function) or "::" in known):
                    continue
                before = old.beside.parts.get(known) if old else None
                if before is None or ast.dump(before) != ast.dump(node):
                    yield from (known.partition("::")[0], known.rpartition("::")[2])


def _bare(test: Test) -> str:
    return test.name.rpartition("::")[2]


def _checks(test: Test) -> str:
    checks = "\n".join(sorted(test.checks.elements()))
    return f"checks:\n{checks}" if checks else ""


def _added(both: Iterable[Both]) -> Counter[str]:
    """Tests that are there afterwards and were not before, by bare name; `checks of` by content."""
    found: Counter[str] = Counter()
    for each in both:
        run = is_collected(each.path) or (each.old is not None and not each.path.endswith(".go"))
        for sign, side in ((1, each.new if run else None), (-1, each.old)):
            for name, checks in _names(side):
                found[name] += sign
                found[checks] += sign if checks else 0
    return found


def _names(side: Parsed | Words | None) -> Iterator[tuple[str, str]]:
    if isinstance(side, Parsed):
        for test in side.tests:
            if test.is_collected:
                yield _bare(test), _checks(test)
            else:
                yield f"{_bare(test)} (of a class that is no test)", ""
    elif isinstance(side, Words):
        for name in side.tests:
            checks = side.content.get(name, "")
            yield name, f"checks:\n{checks}" if checks else ""


def _gone(each: Both, added: Counter[str]) -> Iterator[Suspicion]:
    if each.old is None or (isinstance(each.old, Words) and not each.is_test):
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
            code, says = _SAYS[kind]
            if kind == "traps":
                mild = not each.is_test and (
                    isinstance(each.new, Words) or _ORDINARY.match(text) is not None
                )
            elif each.is_test or kind == "leaving":
                own = is_collected(each.path) or isinstance(each.new, Words)
                mild = kind == "doubles" or (kind == "patched" and not own)
            else:
                continue
            yield Suspicion(code, each.path, line, f"{says}: {text}", only_a_warning=mild)


def _counted(side: Parsed | Words | None, kind: str) -> Counter[str]:
    """A test's own skips are told test by test."""
    found = getattr(side, kind, None)
    return found if isinstance(found, Counter) else Counter()


def _weaker(path: str, new: Parsed, was: Parsed | None, before: _Before) -> Iterator[Suspicion]:
    """Tests that are on both sides: in the same file, or else wherever they were."""
    known = was.tests if was else ()
    here = {_bare(test): test for test in known} | {test.name: test for test in known}
    for test in new.tests:
        bare = _bare(test)
        old = here.get(test.name) or here.get(bare) or before.tests.get(bare)
        old = old or (before.alike.get(_checks(test)) if test.checks else None)
        if old is not None:
            yield from weaker.compared(path, old, test, before)
        else:
            yield from weaker.skipped_anew(path, test)


def _weaker_checkers(path: str, old: Parsed, new: Parsed, before: _Before) -> Iterator[Suspicion]:
    """Functions that tests call, and what makes a class a test case."""
    known = {test.name: test for test in new.checkers}
    for test in old.checkers:
        if test.name in known:
            yield from weaker.compared(path, test, known[test.name], before)
        else:
            what = f"{test.name} checked something for the tests, and no more"
            yield Suspicion("weakened", path, test.line, what)
    classes = {test.name.partition("::")[0]: test.line for test in new.tests}
    for name in sorted((old.cases - new.cases) & classes.keys()):
        yield Suspicion("skipped", path, classes[name], f"{name} is no unittest TestCase any more")
