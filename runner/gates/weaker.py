"""One test before and after: whether it runs as it did, and checks as much."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping

from runner.gates.pytests import Test
from runner.gates.strength import exactly, rough, strength, wider
from runner.gates.suspicion import Suspicion
from runner.gates.wordtests import Words

_ALWAYS = re.compile(r"\((?:condition=)?(?:True|1|not False|['\"])")
_NEVER_RUN = frozenset(
    {"fixture", "property", "cached_property", "contextmanager", "overload", "abstractmethod"}
)
"""Decorators that make something else than a test of one."""
_NAME = re.compile(r"@([\w.]*)")


def compared(path: str, old: Test, new: Test, made: Container[str]) -> Iterator[Suspicion]:
    """`made`: functions that the change wrote. What nothing else explains is at least told."""
    found = (*_skipped(path, old, new), *_worn(path, old, new, made), *_doubles(path, old, new))
    found = (*found, *_looser(path, old, new))
    yield from found
    if not found and old.skips == new.skips and old.body != new.body:
        what = f"the test {new.name} does something else than before"
        yield Suspicion("changed", path, new.line, what, only_a_warning=True)


def skipped_anew(path: str, new: Test) -> Iterator[Suspicion]:
    """Of a test that was not there."""
    for line, words in new.skips:
        what = f"{new.name} is new, and: {words}"
        yield Suspicion("skipped", path, line, what, only_a_warning=True)


def _skipped(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    known = Counter(words for _, words in old.skips)
    before = (*known,)
    for line, words in new.skips:
        known[words] -= 1
        if known[words] < 0:
            other = next((each for each in before if known[each] > 0 and _alike(each, words)), None)
            if other is not None:
                known[other] -= 1
            mild = other is not None
            yield Suspicion("skipped", path, line, f"{new.name}: {words}", only_a_warning=mild)


def _alike(old: str, new: str) -> bool:
    """The same kind of skip on another condition, which a run of the tests is held to."""
    if _ALWAYS.search(new):
        return False
    return "if" in old.partition("(")[0].lower() and old.partition("(")[0] == new.partition("(")[0]


def _worn(path: str, old: Test, new: Test, made: Container[str]) -> Iterator[Suspicion]:
    """A decorator may return anything in the test's place."""
    for text in new.worn - old.worn:
        match = _NAME.match(text)
        name = match[1] if match else ""
        last = name.rpartition(".")[2]
        own = last in ("", "lambda", *_NEVER_RUN) or last in made
        what = f"{new.name} is what this decorator makes of it now: {text}"
        yield Suspicion("skipped" if own else "changed", path, new.line, what, not own)


def _doubles(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    known = Counter(each.text for each in old.doubles)
    for each in new.doubles:
        known[each.text] -= 1
        if known[each.text] < 0:
            mild = not each.of_what_it_calls
            which = "something" if mild else "what it tests"
            what = f"{new.name} replaces {which}: {each.text}"
            yield Suspicion("changed" if mild else "weakened", path, each.line, what, mild)


def _looser(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    yield from _fewer_cases(path, old, new)
    gone, come = old.checks - new.checks, new.checks - old.checks
    if new.checks.total() < old.checks.total():
        left = f"{new.checks.total()} of {old.checks.total()} assertions are left"
        what = f"{new.name}: {left}; gone: {next(iter(gone))}"
        yield Suspicion("weakened", path, new.line, what, only_a_warning=_spread(old, new))
    elif hidden := (old.always - new.always) & (new.checks - new.always):
        text = next(iter(hidden))
        what = f"{new.name}: an assertion may not be reached any more: {text}"
        yield Suspicion("weakened", path, new.where.get(text, new.line), what)
    elif new.always.total() < old.always.total():
        what = f"{new.name}: {new.always.total()} of {old.always.total()} assertions always run"
        yield Suspicion("weakened", path, new.line, what)
    elif gone:
        yield from softened(path, new.line, gone, come, new.where)


def _spread(old: Test, new: Test) -> bool:
    """What was written out is a table now."""
    before, after = old.cases or 1, new.cases or 1
    is_table = after > before and new.checks.total() * after >= old.checks.total() * before
    return is_table and strength(new.checks) * after >= strength(old.checks) * before


def _fewer_cases(path: str, old: Test, new: Test) -> Iterator[Suspicion]:
    if old.cases is None or old.cases == new.cases:
        return
    if new.cases is None:
        what = f"{new.name}: how many of {old.cases} parameter sets are left cannot be told"
        yield Suspicion("changed", path, new.line, what, only_a_warning=True)
    elif new.cases < old.cases:
        what = f"{new.name}: {new.cases} of {old.cases} parameter sets are left"
        yield Suspicion("weakened", path, new.line, what)


def softened(
    path: str, line: int, gone: Counter[str], come: Counter[str], where: Mapping[str, int]
) -> Iterator[Suspicion]:
    """As many assertions as before, but others."""
    first, now = next(iter(gone)), next(iter(come), "nothing")
    for says, before, after in _looser_now(gone, come):
        what = f"{says}: {before} -> {after}"
        yield Suspicion("weakened", path, where.get(after, line), what)
        return
    what = f"an assertion was replaced: {first} -> {now}"
    if strength(come) < strength(gone):
        yield Suspicion("weakened", path, where.get(now, line), what)
    else:
        yield Suspicion("changed", path, where.get(now, line), what, only_a_warning=True)


def _looser_now(gone: Counter[str], come: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """What is wrong, an assertion and what stands in its place: by what both have in common, as
    comparing each with each would take time by the square of their number."""
    alike: dict[str, list[str]] = defaultdict(list)
    for after in come:
        alike[exactly(after)].append(after)
    for before in gone:
        for after in alike.get(exactly(before), ()):
            if wider(before, after):
                yield "a tolerance is wider", before, after
    fine = next((each for each in gone if not rough(each)), None)
    if fine is not None:
        yield from (
            ("an assertion lets nearly anything pass", fine, each) for each in come if rough(each)
        )
    for before in gone:
        after = before.removeprefix("await ")
        if after != before and after in come:
            yield "nobody waits for this assertion any more", before, after


def words(path: str, old: Words, new: Words) -> Iterator[Suspicion]:
    """One test file of another language; its tests are not told apart."""
    gone = old.checks - new.checks
    if new.checks.total() < old.checks.total():
        left = f"{new.checks.total()} of {old.checks.total()} assertions are left"
        what = f"{left}; gone: {next(iter(gone))}"
        yield Suspicion("weakened", path, first_difference(old, new), what)
    elif hidden := [each for each in new.checks if _is_hidden(each, old, new)]:
        what = f"an assertion may not be reached any more: {hidden[0]}"
        yield Suspicion("weakened", path, new.lines[hidden[0]], what)
    elif gone and _doubts(new, come := new.checks - old.checks) > _doubts(old, gone):
        what = f"an assertion may not be reached any more: {next(iter(come))}"
        yield Suspicion("weakened", path, new.lines[next(iter(come))], what)
    elif gone:
        line = first_difference(old, new)
        yield from softened(path, line, gone, new.checks - old.checks, new.lines)
    elif new.rows.total() < old.rows.total():
        left = f"{new.rows.total()} of {old.rows.total()} rows of data are left"
        what = f"{left}; gone: {next(iter(old.rows - new.rows))}"
        yield Suspicion("changed", path, first_difference(old, new), what, only_a_warning=True)
    elif (line := first_difference(old, new)) and not _only_more(old, new):
        what = f"its tests do something else than before, from here: {_at(new, line)}"
        yield Suspicion("changed", path, line, what, only_a_warning=True)


def _doubts(of: Words, checks: Counter[str]) -> int:
    return sum(of.doubts[each] for each in checks)


def _is_hidden(check: str, old: Words, new: Words) -> bool:
    return old.checks[check] == new.checks[check] and new.doubts[check] > old.doubts[check]


def first_difference(old: Words, new: Words) -> int:
    """The first line that is another; the last one if lines are only gone after it."""
    before = [text for _, text in old.text]
    for at, (line, text) in enumerate(new.text):
        if at >= len(before) or before[at] != text:
            return line
    return new.text[-1][0] if new.text else 1


def _only_more(old: Words, new: Words) -> bool:
    """At its end."""
    before = [text for _, text in old.text]
    return [text for _, text in new.text[: len(before)]] == before


def _at(new: Words, line: int) -> str:
    return next((text.decode(errors="replace") for at, text in new.text if at == line), "")
