"""Gate `class`: what kind of change this turned out to be, measured on both sides of every file.

It refuses what no unattended run may change at all, unless that is for `paths` to say; all else it
tells, and the level of the run is lowered to what that class allows (`records.classes.Caps`). Words
and names are a net, not a wall: what an agent must not reach is behind walls, and what it hides
here still meets every other gate.
1. A path decides by its place, its words and its kind, however file systems spell it.
2. Content decides by both sides: a check that was removed counts as one that was added.
3. What only people read (documents, tests, comments, messages) is not searched for words.
4. What cannot be read is not harmless: a person looks at it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from runner.gates import globs, hunks
from runner.gates.class_bumps import bumps
from runner.gates.class_code import MOST_BYTES, code_lines, is_formatting
from runner.gates.class_lines import of_file, of_lines
from runner.gates.class_paths import kind_of, places
from runner.gates.class_words import Seen
from runner.gates.paths import GITLINK
from runner.ports import Case
from runner.records.classes import ABOUT, PROTECTED, ClassName, Sighting
from runner.records.gate import Finding, GateReport
from runner.records.level import HIGHEST, Level
from runner.records.patch import Change
from runner.records.paths import decode_path

NAME = "class"
LINK = "120000"
TOLD = 20
MOST_TOTAL = 8 * 1024 * 1024
"""Bytes of new content, and of the diff; what is beyond is not read."""
_BY_SENSE = frozenset({"security", "payments", "privacy"})
"""Classes that a change without any effect is not of, whatever its file is called."""

Sides = tuple[bytes | None, bytes | None]
Lines = tuple[list[int], list[int]]
"""Numbers of changed lines, of both sides."""


def check(case: Case) -> GateReport:
    """Raises InfraError: a blob cannot be read."""
    caps = case.plan.caps
    seen = tuple(sightings(case))
    names = sorted({each.name for each in seen}, key=lambda name: (caps.of(name), name))
    level = min(map(caps.of, names), default=HIGHEST)
    told = [each for each in seen if each.name in PROTECTED or caps.of(each.name) == 0]
    protected = [globs.parse(pattern) for pattern in case.plan.protected]
    findings = [_finding(each, caps.of(each.name), protected) for each in told]
    findings.sort(key=lambda each: each.is_warning)
    return GateReport(
        gate=NAME,
        verdict="passed" if all(each.is_warning for each in findings) else "refused",
        summary=f"{', '.join(names) or 'nothing'}: level {level} at most",
        findings=tuple(findings[:TOLD]),
        evidence={"level": str(level), "classes": " ".join(names)},
    )


def by_name(path: str) -> Iterator[tuple[ClassName, str]]:
    """What a path says before there is a change: protected classes, and its kind."""
    yield from ((name, why) for name, why, _ in places(path))
    yield kind_of(path), "by its name"


def sightings(case: Case) -> Iterator[Sighting]:
    """At least one for every changed path; of one path each class once."""
    lines = _changed_lines(case)
    left = MOST_TOTAL
    for change in case.patch.changes:
        left -= change.size_bytes
        mine = lines.get(change.path) if left >= 0 else None
        found = {each.name: each for each in reversed([*_of(change, case, mine)])}
        yield from found.values()


def _changed_lines(case: Case) -> Mapping[str, Lines]:
    """Empty when the diff cannot be accounted for: then nothing of it is taken as read."""
    diff = case.diff()
    if len(diff) > MOST_TOTAL:
        return {}
    try:
        files = hunks.read(case.patch, diff, case.blob)
    except hunks.UnaccountedError:
        return {}
    return {
        file.change.path: (
            [row.old for rows in file.hunks for row in rows if row.sign == "-" and row.old],
            [row.new for rows in file.hunks for row in rows if row.sign == "+" and row.new],
        )
        for file in files
    }


def _of(change: Change, case: Case, lines: Lines | None) -> Iterator[Sighting]:
    path = decode_path(change.path).decode(errors="surrogateescape")

    def seen(name: ClassName, why: str, line: int | None = None) -> Sighting:
        return Sighting(name=name, why=why, path=change.path, line=line)

    if GITLINK in (change.old_mode, change.new_mode):
        yield seen("unread", "it is a submodule")
        return
    old, new = (None if oid is None else case.blob(oid) for oid in (change.old_oid, change.new_oid))
    if LINK in (change.old_mode, change.new_mode):
        yield from (seen(*each) for each in (*places(path), *_linked(path, change, (old, new))))
        yield seen("code", "it is a link")
        return
    found = (*places(path), *_content(path, change, (old, new), lines))
    if _is_formatting(path, change, old, new):
        yield from (seen(*each) for each in found if each[0] not in _BY_SENSE)
        yield seen("formatting", "both sides mean the same")
        return
    yield from (seen(*each) for each in found)
    if change.old_mode != change.new_mode and "000000" not in (change.old_mode, change.new_mode):
        yield seen("code", f"its mode changes from {change.old_mode} to {change.new_mode}")
    yield seen(kind_of(path), "by its name")


def _is_formatting(path: str, change: Change, old: bytes | None, new: bytes | None) -> bool:
    if old is None or new is None or change.old_mode != change.new_mode or change.binary:
        return False
    return len(old) <= MOST_BYTES and len(new) <= MOST_BYTES and is_formatting(path, old, new)


def _linked(path: str, change: Change, sides: Sides) -> Iterator[Seen]:
    for mode, data in zip((change.old_mode, change.new_mode), sides, strict=True):
        if mode == LINK and data is not None:
            target = data.decode(errors="surrogateescape")
            there = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
            yield from ((name, f"it links there: {why}", None) for name, why, _ in places(there))


def _content(path: str, change: Change, sides: Sides, lines: Lines | None) -> Iterator[Seen]:
    def changed() -> list[str]:
        return [
            rows[number - 1]
            for data, numbers in zip(sides, lines or ([], []), strict=True)
            for rows in (code_lines(path, data or b""),)
            for number in numbers
            if number <= len(rows)
        ]

    if any(len(data or b"") > MOST_BYTES for data in sides):
        yield "unread", f"it has more than {MOST_BYTES} bytes", None
        return
    for why in bumps(change.path, *sides, changed):
        yield "dependencies", why, None
    if kind_of(path) != "code":
        return
    if lines is None or change.binary:
        yield "unread", "it is binary" if change.binary else "its changes cannot be told", None
        return
    for data, numbers in zip(sides, lines, strict=True):
        if data is not None:
            yield from of_file(data)
            yield from of_lines(path, data, numbers)


def _finding(each: Sighting, level: Level, protected: list[globs.Glob]) -> Finding:
    path = decode_path(each.path or "")
    refuses = level == 0 and not any(glob.matches_folded(path) for glob in protected)
    where = each.path if each.line is None else f"{each.path}:{each.line}"
    why = f"{where}: a change of {ABOUT[each.name]}: {each.why}"
    return Finding(
        gate=NAME,
        code=f"{NAME}.{each.name}",
        path=each.path,
        line=each.line,
        why=why if refuses else f"warning: {why}; level {level} at most",
        remedy="leave it as it is at the base, or let a person make or approve this change",
        retryable=True,
        rule=f"classes.{each.name}",
    )
