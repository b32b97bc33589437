"""Tests of other languages, told by their words: names, what skips them, how much they check."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from runner.gates.blocks import Reached, plain, reached
from runner.gates.languages import Language

MOST_BYTES = 2 * 1024 * 1024
LINE_CHARS = 500
_NEWLINE = re.compile(rb"\r\n?|\xe2\x80[\xa8\xa9]")
_ROW = re.compile(
    rb"(?:[\[{(].*[\]})],?|#\[(?:test_)?case\b.*|\[(?:InlineData|TestCase)\b.*)\s*(?://.*)?$"
)
_NO_GUARD = re.compile(
    rb"\b(?:false|0)\s*&&|&&\s*false\b|^(?:\W*if\W+)(?:false|0)\b|(\b[\w.()]+) != \1(?![\w.(])"
)
_ATTRIBUTE = re.compile(rb"\s*(?:$|//|/\*|\*|#\[|@\w|\[\w|\))")
"""Lines that may stand between an attribute and its function."""


@dataclass(frozen=True, slots=True)
class Words:
    """One file: the lines that matter, without indentation."""

    tests: dict[str, int] = field(default_factory=dict)
    """Name -> line."""
    skips: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    traps: Counter[str] = field(default_factory=Counter)
    doubles: Counter[str] = field(default_factory=Counter)
    """Lines that put something else in the place of what is tested."""
    rows: Counter[str] = field(default_factory=Counter)
    """Lines that may be one case of a table."""
    lines: dict[str, int] = field(default_factory=dict)
    """Where a line of these stands first."""
    doubts: Counter[str] = field(default_factory=Counter)
    """A check -> conditions and ways out before it, all its places together."""
    content: dict[str, str] = field(default_factory=dict)
    """A test's name -> its checks, if it has some."""
    text: tuple[tuple[int, bytes], ...] = ()
    """All lines that are not blank, with their numbers."""


def words(source: bytes, of: Language) -> Words | None:
    """None = too large to be read."""
    if len(source) > MOST_BYTES:
        return None
    source = _NEWLINE.sub(b"\n", source)
    code = plain(source, of.blanked) if of.blanked else source
    raw, bare = source.split(b"\n"), code.split(b"\n")
    found = Words(
        text=tuple((at, text) for at, each in enumerate(raw, 1) if (text := each.strip()))
    )
    named = dict(_named(raw, bare, of))
    for at, name in named.items():
        found.tests.setdefault(name, at)
    kinds = ((of.skip, found.skips), (of.trap, found.traps), (of.double, found.doubles))
    for at, text in found.text:
        for pattern, kind in kinds:
            if pattern is not None and pattern.search(text):
                _count(found, kind, _told(text), at)
        if _ROW.match(text):
            _count(found, found.rows, _told(text), at)
    _check(found, raw, code, of, named)
    return found


def _count(found: Words, kind: Counter[str], text: str, line: int) -> None:
    kind[text] += 1
    found.lines.setdefault(text, line)


def _told(line: bytes) -> str:
    return line.strip().decode(errors="replace")[:LINE_CHARS]


def _named(raw: Sequence[bytes], bare: Sequence[bytes], of: Language) -> Iterator[tuple[int, str]]:
    """Names by line, but those in comments; with the attribute that makes them tests."""
    is_due = False
    for at, (line, code) in enumerate(zip(raw, bare, strict=True), 1):
        if of.attribute is not None:
            is_due = is_due or of.attribute.search(code) is not None
        match = of.name.search(line)
        if match and code[match.start() : match.end()].strip():
            if is_due or of.attribute is None:
                name = next((each for each in match.groups() if each), match[0])
                yield at, name.decode(errors="replace")
            is_due = False
        elif not _ATTRIBUTE.match(code):
            is_due = False


def _check(
    found: Words, raw: Sequence[bytes], code: bytes, of: Language, named: dict[int, str]
) -> None:
    starts = sorted(named)
    content: dict[str, list[str]] = defaultdict(list)
    for each in reached(code, of.check):
        text = raw[each.line - 1].strip()[:LINE_CHARS]
        if (of.vacuous is not None and of.vacuous.search(text)) or _is_moot(each, text, of):
            continue
        told = _told(text if not _is_guarded(text, of) else each.guard + b" " + text)
        _count(found, found.checks, told, each.line)
        found.doubts[told] += each.doubts
        if before := bisect_right(starts, each.line):
            content[named[starts[before - 1]]].append(told)
    found.content.update({name: "\n".join(sorted(each)) for name, each in content.items()})


def _is_guarded(text: bytes, of: Language) -> bool:
    return of.guarded is not None and of.guarded.search(text) is not None


def _is_moot(check: Reached, text: bytes, of: Language) -> bool:
    return _is_guarded(text, of) and _is_never(check.guard)


@lru_cache(maxsize=16)
def _is_never(guard: bytes) -> bool:
    """Asked once of a condition: many checks may stand behind it, and it may be long."""
    return _NO_GUARD.search(guard) is not None
