"""What a change consists of, file by file and row by row, proved against the trees' object ids.

The rows come from git's diff of the two trees; nothing else of it is believed.
1. Every measured change has its section of the diff, in order, and no section is left over.
2. Rows are read by the counts of their hunk: no content can pass for a header.
3. Applied to the old blob (whose id is checked) they give the new blob, by its id: what a reader
   sees is the change, whatever attributes, configuration or a mistake made of the diff.
4. A binary file has no rows: its name, size and object id stand for it. It must be one: a text
   that an attribute calls binary is not accounted for. Of a text that was a binary, or became
   one, git shows nothing; its rows are all of it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO

from runner.records.base import Oid
from runner.records.patch import Change, Patch

ROW_CHARS = 1000
"""Longer lines are shown in several rows."""
GITLINK = "160000"
BINARY_BYTES = 8000
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_STARTS = (b"@@ ", b"diff --git ", b"GIT binary patch")
_SIGNS = {b" ": " ", b"-": "-", b"+": "+", b"\\": "\\"}


class UnaccountedError(Exception):
    """`str(error)` names the file whose rows are not the change that was measured."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line, or a piece of a long one; foreign bytes as `surrogateescape` gives them."""

    sign: str
    """` `, `+`, `-`, or the backslash before `No newline at end of file`."""
    text: str
    old: int | None
    new: int | None
    """Line numbers, from 1."""
    continued: bool = False
    """It goes on where the row before it stopped."""


@dataclass(frozen=True, slots=True)
class File:
    """One changed path and its hunks; none for binaries, empty files and changes of the mode."""

    change: Change
    hunks: tuple[tuple[Row, ...], ...]


@dataclass(frozen=True, slots=True)
class _Line:
    sign: bytes
    text: bytes
    """With its line feed, if it has one."""


@dataclass(frozen=True, slots=True)
class _Hunk:
    old: int
    new: int
    lines: tuple[_Line, ...]


@dataclass(frozen=True, slots=True)
class _Section:
    binary: bool
    hunks: tuple[_Hunk, ...]


def read(patch: Patch, diff: bytes, blob: Callable[[Oid], bytes]) -> tuple[File, ...]:
    """Raises UnaccountedError."""
    sections = _sections(diff.split(b"\n"))
    files = tuple(_file(change, sections, blob) for change in patch.changes)
    if next(sections, None) is not None:
        raise UnaccountedError("the diff has more files than were measured")
    return files


def _file(change: Change, sections: Iterator[_Section], blob: Callable[[Oid], bytes]) -> File:
    parts = [next(sections, None) for _ in range(1 + (change.status == "type-changed"))]
    found = [part for part in parts if part is not None]
    if len(found) < len(parts):
        raise UnaccountedError(f"{change.path}: the diff does not have it")
    fits = _both(change, found, blob) if len(found) == 2 else _one(change, found[0], blob)
    if not fits:
        raise UnaccountedError(f"{change.path}: its diff is not the change that was measured")
    hunks = [hunk for part in found for hunk in part.hunks]
    if found[0].binary and len(found) == 1:
        hunks = [*_texts(change, blob)]
    return File(change, tuple(tuple(_rows(hunk)) for hunk in hunks))


def _texts(change: Change, blob: Callable[[Oid], bytes]) -> Iterator[_Hunk]:
    """The sides of a binary change that are text, whole."""
    for oid, sign in ((change.old_oid, b"-"), (change.new_oid, b"+")):
        content = b"" if oid is None else blob(oid)
        if content and b"\0" not in content[:BINARY_BYTES]:
            yield _Hunk(1, 1, tuple(_Line(sign, text) for text in BytesIO(content)))


def _both(change: Change, parts: list[_Section], blob: Callable[[Oid], bytes]) -> bool:
    """A file that became a link, or the reverse: one removed, one added."""

    def fits(part: _Section, mode: str, oid: Oid | None, signs: bytes) -> bool:
        return b"\0" in _head(oid, blob) if part.binary else _is(mode, oid, _side(part, signs))

    removed, added = parts
    return fits(removed, change.old_mode, change.old_oid, b" -") and fits(
        added, change.new_mode, change.new_oid, b" +"
    )


def _one(change: Change, part: _Section, blob: Callable[[Oid], bytes]) -> bool:
    old, new = change.old_oid, change.new_oid
    if old == new:
        return not part.binary and not part.hunks
    if part.binary or change.binary:
        has_nul = any(b"\0" in _head(oid, blob) for oid in (old, new))
        return part.binary and change.binary and has_nul
    if new is None:
        return _is(change.old_mode, old, _side(part, b" -")) and not _side(part, b" +")
    before = b"" if old is None else _content(change.old_mode, old, blob)
    return _is(change.new_mode, new, _applied(before, part.hunks))


def _sections(rows: list[bytes]) -> Iterator[_Section]:
    at, end = 0, len(rows) - (rows[-1] == b"")
    while at < end:
        if not rows[at].startswith(b"diff --git "):
            raise UnaccountedError("the diff cannot be read")
        at += 1
        while at < end and not rows[at].startswith(_STARTS):
            at += 1
        if at < end and rows[at] == b"GIT binary patch":
            while at < end and not rows[at].startswith(b"diff --git "):
                at += 1
            yield _Section(True, ())
            continue
        hunks: list[_Hunk] = []
        while at < end and (head := _HUNK.match(rows[at])):
            hunk, at = _hunk(head, rows, at + 1, end)
            hunks.append(hunk)
        yield _Section(False, tuple(hunks))


def _hunk(head: re.Match[bytes], rows: list[bytes], at: int, end: int) -> tuple[_Hunk, int]:
    old, new = (int(head[n]) for n in (1, 3))
    left_old, left_new = (1 if head[n] is None else int(head[n]) for n in (2, 4))
    lines: list[_Line] = []
    while at < end and (left_old or left_new or rows[at].startswith(b"\\")):
        sign, text = rows[at][:1], rows[at][1:]
        left_old -= sign in (b" ", b"-")
        left_new -= sign in (b" ", b"+")
        if sign not in _SIGNS or min(left_old, left_new) < 0:
            raise UnaccountedError("a hunk of the diff cannot be read")
        bare = at + 1 < end and rows[at + 1].startswith(b"\\")
        lines.append(_Line(sign, text if bare or sign == b"\\" else text + b"\n"))
        at += 1
    if left_old or left_new:
        raise UnaccountedError("a hunk of the diff is cut off")
    return _Hunk(old, new, tuple(lines)), at


def _head(oid: Oid | None, blob: Callable[[Oid], bytes]) -> bytes:
    """Where git itself looks for a NUL, the sign of a binary file."""
    return b"" if oid is None else blob(oid)[:BINARY_BYTES]


def _side(part: _Section, signs: bytes) -> bytes:
    return b"".join(line.text for hunk in part.hunks for line in hunk.lines if line.sign in signs)


def _applied(before: bytes, hunks: tuple[_Hunk, ...]) -> bytes | None:
    """None = a hunk does not lie where it says."""
    lines = [line + b"\n" for line in before.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    after: list[bytes] = []
    at = 0
    for hunk in hunks:
        start = hunk.old - any(line.sign in b" -" for line in hunk.lines)
        old = [line.text for line in hunk.lines if line.sign in b" -"]
        if start < at or lines[start : start + len(old)] != old:
            return None
        after += lines[at:start]
        after += (line.text for line in hunk.lines if line.sign in b" +")
        at = start + len(old)
    return b"".join((*after, *lines[at:]))


def _content(mode: str, oid: Oid, blob: Callable[[Oid], bytes]) -> bytes:
    return f"Subproject commit {oid}\n".encode() if mode == GITLINK else blob(oid)


def _is(mode: str, oid: Oid | None, content: bytes | None) -> bool:
    if content is None or oid is None:
        return False
    if mode == GITLINK:
        return content == f"Subproject commit {oid}\n".encode()
    digest = hashlib.sha1 if len(oid) == 40 else hashlib.sha256
    return digest(b"blob %d\0" % len(content) + content).hexdigest() == oid


def _rows(hunk: _Hunk) -> Iterator[Row]:
    old, new = hunk.old, hunk.new
    for line in hunk.lines:
        sign = _SIGNS[line.sign]
        mine, theirs = old if sign in " -" else None, new if sign in " +" else None
        text = line.text.removesuffix(b"\n").decode(errors="surrogateescape")
        for start in range(0, max(1, len(text)), ROW_CHARS):
            piece = text[start : start + ROW_CHARS]
            yield Row(sign, piece, mine, theirs, continued=start > 0)
        old += mine is not None
        new += theirs is not None
