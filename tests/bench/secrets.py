"""The secret detector on labelled samples: what it finds, what it takes for a secret, how fast.

The samples are not part of this repository: `SECRETS_CORPUS` names the file, or it lies beside the
checkout as `*/corpora/secrets.jsonl`. One JSON object a line: id, source, rule, text, is_secret.
`CLEAN_SOURCES` names a directory in which every finding is a false one, e.g. Django's sources.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import TypedDict

from runner.gates.generic import find
from runner.gates.scan_worker import Detect, load, scan
from runner.records.scan import Sample
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Row, UnmeasuredError

BESIDE = Path(__file__).resolve().parents[3]
IN_FILES = "CredData"
"""Lines of real files; recall is counted over its lines, not over its rules."""
NO_SECRET = "UUID"
"""A category of identifiers that no scanner can tell from harmless ones."""
RECALL, PRECISION, ALARMS = 80.0, 97.0, 12.0
SPEED_MB_S = 20.0
MB = 1_000_000


class Labelled(TypedDict):
    """One line of the samples; more keys are none of ours."""

    source: str
    rule: str
    text: str
    is_secret: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled sample, and whether the gate would refuse it."""

    source: str
    rule: str
    is_secret: bool
    refused: bool


def measure(setting: Setting) -> Iterator[Row]:
    detect = load(str(setting.scratch))
    judged: list[Judged] = []
    for row in _samples():
        hits = scan(Sample(row["text"].encode()), detect, bytes(32)).hits
        refused = any(hit.tier != "weak" for hit in hits)
        judged.append(Judged(row["source"], row["rule"], row["is_secret"], refused))
    recalls = recall(judged)
    yield Row(
        "secrets: recall, mean over sources of the mean over rules", "%",
        (mean(recalls.values()),), (), "itself", at_least=RECALL, parts=recalls,
    )  # fmt: skip
    told = [each.is_secret for each in judged if each.refused]
    yield Row(
        "secrets: precision, pooled", "%", (100 * mean(told),), (), "itself", at_least=PRECISION
    )
    hard = [each.refused for each in judged if not each.is_secret and each.source != IN_FILES]
    yield Row(
        "secrets: false alarms among hard negatives", "%",
        (100 * mean(hard),), (), "itself", at_most=ALARMS,
    )  # fmt: skip
    if clean := os.environ.get("CLEAN_SOURCES"):
        yield Row(
            "secrets: clean files with a finding", "%",
            (_alarmed(Path(clean), detect),), (), "itself", at_most=0,
        )  # fmt: skip
    yield from _speed(setting, detect)


def _alarmed(sources: Path, detect: Detect) -> float:
    """Percent of the files."""
    files = [path for path in sorted(sources.rglob("*")) if path.is_file()]
    if not files:
        raise UnmeasuredError(f"no files in {sources}")
    found = (scan(Sample(path.read_bytes()), detect, bytes(32)).hits for path in files)
    return 100 * mean(any(hit.tier != "weak" for hit in hits) for hits in found)


def recall(judged: Iterable[Judged]) -> Mapping[str, float]:
    """Per source, in percent: the mean over its rules."""
    found: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for each in judged:
        if each.is_secret and each.rule != NO_SECRET:
            rule = "*" if each.source == IN_FILES else each.rule
            found[each.source][rule].append(each.refused)
    return {
        source: 100 * mean(mean(hits) for hits in rules.values())
        for source, rules in sorted(found.items())
    }


def _samples() -> Iterator[Labelled]:
    with _corpus().open() as lines:
        yield from map(json.loads, lines)


def _corpus() -> Path:
    named = os.environ.get("SECRETS_CORPUS")
    found = [Path(named)] if named else sorted(BESIDE.glob("*/corpora/secrets.jsonl"))
    if not found or not found[0].is_file():
        raise UnmeasuredError("no labelled samples: set SECRETS_CORPUS to the file")
    return found[0]


def _speed(setting: Setting, detect: Detect) -> Iterator[Row]:
    """Over the standard library's sources: ordinary text."""
    files = sorted(Path(json.__file__).parents[1].rglob("*.py"))[: 300 if setting.quick else 1500]
    texts = [file.read_bytes() for file in files]
    size = sum(map(len, texts)) / MB
    arms = {
        "both": lambda: size / _cpu_s(lambda text: (detect(text), list(find(text))), texts),
        "catalogue": lambda: size / _cpu_s(detect, texts),
        "gate": lambda: size / _cpu_s(lambda text: scan(Sample(text), detect, bytes(32)), texts),
    }
    taken = interleave(arms, 1 if setting.quick else 3)
    yield Row(
        "secrets: one view of Python sources / the rule catalogue alone", "MB/s",
        taken["both"], taken["catalogue"], "itself", at_least=SPEED_MB_S,
    )  # fmt: skip
    yield Row(
        "secrets: the same with all views (joined, decoded)", "MB/s",
        taken["gate"], taken["catalogue"], "itself",
    )  # fmt: skip


def _cpu_s(work: Callable[[bytes], object], texts: Iterable[bytes]) -> float:
    began = time.process_time()
    for text in texts:
        work(text)
    return time.process_time() - began
