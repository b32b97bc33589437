"""One planted defect per portion: a reviewer that does not name its line has not read.

The reviewer is told that there is one, not what it is or where. Told is better than untold: it
keeps the verdict about the change alone (an untold reviewer would have to reject everything, and
the host would have to guess which rejections it meant), and it leaves a decoy no way out: whoever
takes an author's bad code for the planted defect names the wrong line and is not heard.

What it proves: this answer's author read this portion, as far as it went to look, and can tell bad
from good. What it does not prove: good judgement of the rest.
1. Which defect, its names, path, lines and place among the others come from a seed the author does
   not know; nothing in the change can name them, only point elsewhere, which refuses.
2. It stands between files, or anywhere among the rows of a long one: to find it, all has to be
   looked at, not the ends.
3. It is in no tree: it is made when the prompt is, and shown as every other file is.
4. Its directory is neither in the base nor in the change.
5. Whatever a reviewer says of it is kept from the report (`Canary.withheld`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from runner.gates.hunks import File, Row
from runner.gates.portions import Block
from runner.records.base import Oid
from runner.records.canary import DEFECTS, Defect, Spot
from runner.records.patch import Change

STRETCH_ROWS = 100
WITHHELD = "(withheld: it speaks of the defect that the gate had planted)"
_WORDS = (
    *("amber", "anchor", "basalt", "beacon", "birch", "cedar", "cinder", "clover", "cobalt"),
    *("copper", "coral", "delta", "ember", "falcon", "fjord", "garnet", "glacier", "harbor"),
    *("hazel", "heron", "indigo", "juniper", "kiln", "lagoon", "lantern", "maple", "meadow"),
    *("mortar", "nectar", "onyx", "orchard", "pebble", "quarry", "raven", "saddle", "tide"),
)


@dataclass(frozen=True, slots=True)
class Canary:
    """What was planted, and where."""

    spot: Spot
    block: Block
    index: int
    """Before which block of the portion it stands, or in which."""
    row: int
    """Before which row of that block."""
    names: tuple[str, ...]
    """Made up for it: text that has one of them speaks of it."""

    def among(self, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
        before, after = blocks[: self.index], blocks[self.index :]
        if not self.row:
            return (*before, self.block, *after)
        cut, *rest = after
        head, tail = cut.rows[: self.row], cut.rows[self.row :]
        return (*before, replace(cut, rows=head), self.block, replace(cut, rows=tail), *rest)

    def withheld(self, text: str) -> str:
        """The text, or a stand-in if it speaks of what was planted."""
        return WITHHELD if any(name in text.casefold() for name in self.names) else text


def plant(seed: bytes, blocks: tuple[Block, ...], taken: Callable[[str], bool]) -> Canary:
    """The same seed plants the same; `taken` says whether the repository has a directory."""
    chance = random.Random(hashlib.sha256(seed).digest())
    defect = chance.choice(DEFECTS)
    a, b, c, stem = (_name(chance) for _ in range(4))
    directory = _free(chance, taken)
    path = f"{directory}/{stem}{defect.suffix}"
    start = chance.randrange(20, 400)
    rows = _rows(defect, {"{a}": a, "{b}": b, "{c}": c}, start)
    line = start + len(defect.before)
    index, row = chance.choice([*_places(blocks)])
    return Canary(
        spot=Spot(path, line),
        block=Block(File(_change(chance, path, len(rows)), (rows,)), 1, rows),
        index=index,
        row=row,
        names=(a, b, c, stem),
    )


def _places(blocks: tuple[Block, ...]) -> Iterator[tuple[int, int]]:
    """Block and row it may stand before: a long block has one in each stretch."""
    for index, block in enumerate(blocks):
        if not block.again:
            yield index, 0
            for row in range(STRETCH_ROWS, len(block.rows), STRETCH_ROWS):
                if not block.rows[row].continued:
                    yield index, row
    yield len(blocks), 0


def _rows(defect: Defect, names: dict[str, str], start: int) -> tuple[Row, ...]:
    """The defect is added between lines that were there."""
    rows: list[Row] = []
    old = start
    for number, text in enumerate((*defect.before, defect.bad, *defect.after), start):
        added = number == start + len(defect.before)
        for hole, name in names.items():
            text = text.replace(hole, name)  # noqa: PLW2901
        rows.append(Row("+" if added else " ", text, None if added else old, number))
        old += not added
    return tuple(rows)


def _change(chance: random.Random, path: str, lines: int) -> Change:
    """As a real one would be told; none of its ids exists."""
    return Change(
        path=path,
        status="modified",
        old_mode="100644",
        new_mode="100644",
        old_oid=Oid(f"{chance.getrandbits(160):040x}"),
        new_oid=Oid(f"{chance.getrandbits(160):040x}"),
        added=1,
        deleted=0,
        binary=False,
        size_bytes=chance.randrange(2_000, 30_000) + lines,
    )


def _name(chance: random.Random) -> str:
    return f"{chance.choice(_WORDS)}_{chance.getrandbits(32):08x}"


def _free(chance: random.Random, taken: Callable[[str], bool]) -> str:
    words = [*_WORDS]
    chance.shuffle(words)
    return next((word for word in words if not taken(word)), None) or f"{_name(chance)}"
