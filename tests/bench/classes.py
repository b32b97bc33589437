"""What a change turns out to be: labelled changes, and small edits of the standard library.

The second figure counts edits that nobody would call protected, one line each, in modules whose
names are not about security: every one that is held up is a false alarm.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from runner.gates.class_words import PATH_WORDS, spoken
from runner.gates.classes import sightings
from runner.records.classes import Caps
from tests.bench.rounds import Setting
from tests.bench.row import Row
from tests.class_diffs import DIFFS, PROTECTED, judged
from tests.fakes import CaseBuilder

PRECISION, ALARMS = 90.0, 5.0
MOST_BYTES = 60_000


def measure(setting: Setting) -> Iterator[Row]:
    caps = Caps()
    found = {each.name: judged(each) for each in DIFFS}
    held = [each for each in DIFFS if min(map(caps.of, found[each.name])) < 2]
    recall = sum(each.label in found[each.name] for each in PROTECTED) / len(PROTECTED)
    precision = sum(each in PROTECTED for each in held) / len(held)
    yield Row(
        f"classes: recall on {len(PROTECTED)} protected changes", "%",
        (100 * recall,), (), "itself", at_least=100.0,
    )  # fmt: skip
    yield Row(
        f"classes: precision among {len(held)} that are held up", "%",
        (100 * precision,), (), "itself", at_least=PRECISION,
    )  # fmt: skip
    began = time.process_time()
    alarms = [_alarms(path) for path in _modules(100 if setting.quick else 400)]
    spent_ms = 1000 * (time.process_time() - began) / len(alarms)
    yield Row(
        f"classes: false alarms in {len(alarms)} edits of the standard library", "%",
        (100 * sum(alarms) / len(alarms),), (), "itself",
        at_most=ALARMS,
    )  # fmt: skip
    yield Row("classes: CPU for one edit, its diff included", "ms", (spent_ms,), (), "itself")


def _modules(most: int) -> list[Path]:
    root = Path(json.__file__).parents[1]
    files = [
        path
        for path in sorted(root.rglob("*.py"))
        if not {"site-packages", "dist-packages", "test", "tests"} & {*path.parts}
        and path.stat().st_size < MOST_BYTES
        and not spoken(str(path.relative_to(root)), PATH_WORDS)
    ]
    Random(1).shuffle(files)
    return files[:most]


def _alarms(path: Path) -> bool:
    """Of one line of code taken out, the same one every time."""
    data = path.read_bytes()
    lines = data.split(b"\n")
    full = [at for at, line in enumerate(lines) if line.strip()] or [0]
    at = Random(path.name).choice(full)
    edited = b"\n".join((*lines[:at], *lines[at + 1 :]))
    case = CaseBuilder({f"src/{path.name}": data}, {f"src/{path.name}": edited}).case()
    return any(Caps().of(each.name) < 2 for each in sightings(case))
