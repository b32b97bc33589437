"""A change of any size, in portions a reader can hold: every row is in exactly one of them.

1. Cut between files where a file fits, else between hunks, else between rows; a long line is
   several rows already. Nothing is left out and nothing is shortened.
2. A portion that goes on inside a file first repeats the rows before the cut.
3. Every row begins with its line numbers, written by the host at fixed places, so that content
   can pass for nothing else and a reader can say exactly where something is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from runner.gates.hunks import File, Row
from runner.text import exact

PORTION_CHARS = 200_000
"""About 60,000 tokens: read with attention, far from any model's window."""
OVERLAP_CHARS = 12_000
"""Room for the longest row at least: 1,000 characters may be written in ten times as many."""
AGAIN = "~~~~ the rows above were in the portion before and are shown again; new ones follow"


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one hunk; of a file without hunks, its header alone."""

    file: File
    hunk: int
    """From 1; 0 = none."""
    rows: tuple[Row, ...]
    again: bool = False
    """It was in the portion before."""


Portion = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A file somebody was shown, and which lines of it, before and after the change."""

    path: str
    lines: frozenset[int]


def portions(files: Iterable[File], most_chars: int = PORTION_CHARS) -> tuple[Portion, ...]:
    """All of it, in order; at least one portion."""
    packing = _Packing(most_chars - OVERLAP_CHARS)
    for file in files:
        packing.add(list(_blocks(file)))
    packs = [pack for pack in packing.packs if pack] or [[]]
    later = ((*_repeated(before, pack), *pack) for before, pack in pairwise(packs))
    return (tuple(packs[0]), *later)


def written(blocks: Iterable[Block]) -> str:
    """As a reader sees them; the header of a file again wherever another came between."""
    rows: list[str] = []
    last: Block | None = None
    for block in blocks:
        if last is not None and last.again and not block.again:
            rows.append(AGAIN)
        again = last is not None and last.file is block.file
        if not again:
            rows += _header(block.file)
        if block.hunk and not (again and last is not None and last.hunk == block.hunk):
            rows.append(f"@@ hunk {block.hunk} of {len(block.file.hunks)} @@")
        rows += (row_text(row) for row in block.rows)
        last = block
    return "\n".join(rows)


def places(blocks: Iterable[Block]) -> dict[str, Place]:
    """By path as it is shown."""
    found: dict[str, set[int]] = {}
    for block in blocks:
        numbers = found.setdefault(block.file.change.path, set())
        numbers.update(n for row in block.rows for n in (row.old, row.new) if n is not None)
    return {exact(path): Place(path, frozenset(numbers)) for path, numbers in found.items()}


def row_text(row: Row) -> str:
    """`    12     13 +text`: old line, new line, `>` = goes on, sign, text."""
    old, new = (f"{'' if number is None else number:>6}" for number in (row.old, row.new))
    return f"{old} {new} {'>' if row.continued else ''}{row.sign}{exact(row.text)}"


def _header(file: File) -> tuple[str, str]:
    change = file.change
    old, new = change.old_mode, change.new_mode
    mode = new if old in (new, "000000") else old if new == "000000" else f"{old} -> {new}"
    facts = [change.status, f"mode {mode}", f"{change.size_bytes} bytes"]
    if change.binary:
        what = "a binary on one side" if file.hunks else "binary"
        facts.append(f"{what}, not shown, object {change.old_oid} -> {change.new_oid}")
    elif not file.hunks:
        facts.append("no line differs")
    return f"FILE {exact(change.path)}", f"  ({'; '.join(facts)})"


def _blocks(file: File) -> Iterator[Block]:
    if not file.hunks:
        yield Block(file, 0, ())
    for number, rows in enumerate(file.hunks, 1):
        yield Block(file, number, rows)


class _Packing:
    """Fills one pack after the other; every pack fits."""

    def __init__(self, room: int) -> None:
        self.packs: list[list[Block]] = [[]]
        self._room = self._left = room

    def add(self, blocks: list[Block]) -> None:
        self._turn_for(sum(map(_cost, blocks)))
        for block in blocks:
            self._turn_for(_cost(block))
            self._pour(block)

    def _turn_for(self, cost: int) -> None:
        """What does not fit here, but whole into the next one, begins it."""
        if self._left < cost <= self._room:
            self._turn()

    def _turn(self) -> None:
        self.packs.append([])
        self._left = self._room

    def _pour(self, block: Block) -> None:
        """Row by row, where it does not fit whole."""
        head, rows = _head_cost(block.file), list(block.rows)
        taken: list[Row] = []
        self._left -= head
        for row in rows:
            cost = len(row_text(row)) + 1
            if cost > self._left:
                self._keep(block, taken)
                taken = []
                self._turn()
                self._left -= head
            taken.append(row)
            self._left -= cost
        if taken or not rows:
            self._keep(block, taken)

    def _keep(self, block: Block, rows: list[Row]) -> None:
        if rows or not block.rows:
            self.packs[-1].append(Block(block.file, block.hunk, tuple(rows)))


def _repeated(before: list[Block], pack: list[Block]) -> tuple[Block, ...]:
    """The last rows of the pack before, if its last file goes on."""
    last = before[-1]
    if last.file is not pack[0].file or not last.rows:
        return ()
    left, rows = OVERLAP_CHARS, list[Row]()
    for row in reversed(last.rows):
        left -= len(row_text(row)) + 1
        if left < 0:
            break
        rows.insert(0, row)
    return (Block(last.file, last.hunk, tuple(rows), again=True),)


def _cost(block: Block) -> int:
    return _head_cost(block.file) + sum(len(row_text(row)) + 1 for row in block.rows)


def _head_cost(file: File) -> int:
    """Of the file's and the hunk's headers, wherever they have to be written again."""
    return sum(len(row) + 1 for row in _header(file)) + len("@@ hunk 000000 of 000000 @@ ")
