"""The table a person reads, and the same as JSON."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.corpus import Row
from tests.hostile.verdict import WORST, Judgement


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the corpus on one engine."""

    row: Row
    engine: str
    """Or `no walls`, where the payload has to be loud."""
    judgement: Judgement
    seconds: float

    def text(self) -> str:
        j = self.judgement
        return f"{self.row.id:18} {self.engine:10} {j.verdict:14} {self.seconds:5.1f} s  {j.why}"


def print_table(lines: Sequence[Line]) -> None:
    """Class x engine, then what needs words."""
    engines = list(dict.fromkeys(line.engine for line in lines))
    groups = list(dict.fromkeys(line.row.group for line in lines))
    say = sys.stdout.write
    say("\n" + "".join([f"{'':6}", *(f"{name:>40}" for name in engines)]) + "\n")
    for group in (*groups, "all"):
        mine = [line for line in lines if group in {line.row.group, "all"}]
        cells = [_cell([line for line in mine if line.engine == name]) for name in engines]
        say("".join([f"{group:6}", *(f"{cell:>40}" for cell in cells)]) + "\n")
    needs_words = {"breached", "not run", "not applicable"}
    for line in [line for line in lines if line.judgement.verdict in needs_words]:
        say(f"\n{line.text()}\n")


def _cell(lines: Sequence[Line]) -> str:
    count = Counter(line.judgement.verdict for line in lines)
    return ", ".join(f"{count[v]} {v}" for v in reversed(WORST) if count[v])


def save(lines: Sequence[Line], file: Path) -> None:
    told = [
        {
            "id": line.row.id,
            "class": line.row.group,
            "engine": line.engine,
            "verdict": line.judgement.verdict,
            "why": line.judgement.why,
            "seconds": round(line.seconds, 2),
        }
        for line in lines
    ]
    file.write_text(json.dumps(told, indent=1) + "\n")
