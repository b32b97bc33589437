"""Good changes: what maintainers really did between two releases, in portions a person reviews."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import PurePosixPath
from random import Random

from runner.records.task import Limits
from tests.bench.labelled import labels
from tests.bench.labelled.diff import Diff, Edits, Tree
from tests.bench.labelled.releases import RELEASES
from tests.bench.labelled.store import Counts

MOST_LINES = 400
MOST_FILES = 20
CODE, OTHER = 4, 1
"""Portions with Python files, and others, taken of one pair of releases."""
_ROLE = re.compile(r"^tests?_|_tests?$|^_+|_+$")


def pairs(trees: Mapping[str, Tree]) -> Iterator[tuple[str, str]]:
    """Neighbours that are both there, e.g. `click-8.1.6`, `click-8.1.7`."""
    for name, versions in RELEASES.items():
        for old, new in pairwise(f"{name}-{version}" for version in versions):
            if old in trees and new in trees:
                yield old, new


def good(
    old: str, new: str, trees: Mapping[str, Tree], counts: Mapping[str, Counts]
) -> Iterator[Diff]:
    """The same ones every time: shuffled by the name of the pair."""
    found = sorted(_portions(counts).items())
    Random(f"{old} {new}").shuffle(found)
    code = [each for each in found if any(path.endswith(".py") for path in each[1])]
    other = [each for each in found if each not in code]
    for name, paths in (*code[:CODE], *other[:OTHER]):
        edits = {path: trees[new].get(path) for path in paths}
        id = f"{old}..{new.rpartition('-')[2]}:{name}"
        told = labels.of(
            id, trees[old], edits, is_binary=any(counts[path].is_binary for path in paths)
        )
        yield Diff(id, old, edits, told)


def whole(
    old: str, new: str, trees: Mapping[str, Tree], counts: Mapping[str, Counts], limits: Limits
) -> Diff:
    """The whole release: mostly more than anybody reviews."""
    edits: Edits = {path: trees[new].get(path) for path in counts}
    size = sum(len(entry.data) for entry in edits.values() if entry is not None)
    binaries = sum(counts[path].is_binary and edits[path] is not None for path in counts)
    too_much = (
        len(counts) > limits.files
        or sum(each.lines for each in counts.values()) > limits.lines
        or size > limits.bytes
        or binaries > limits.binaries
    )
    id = f"{old}..{new.rpartition('-')[2]}"
    return Diff(id, old, edits, {"size": too_much, "paths": labels.protected(trees[old], edits)})


def _portions(counts: Mapping[str, Counts]) -> Mapping[str, tuple[str, ...]]:
    """A module goes with its tests, everything else with its directory; what is too large for
    one portion goes file by file, a file that is too large not at all."""
    together: dict[str, list[str]] = defaultdict(list)
    for path in counts:
        together[_theme(PurePosixPath(path))].append(path)
    found: dict[str, tuple[str, ...]] = {}
    for name, paths in together.items():
        if _fits(paths, counts):
            found[name] = tuple(paths)
        else:
            found |= {path: (path,) for path in paths if _fits([path], counts)}
    return found


def _theme(path: PurePosixPath) -> str:
    if path.suffix == ".py":
        return _ROLE.sub("", path.stem) or str(path)
    return str(path.parent) if len(path.parts) > 1 else path.name


def _fits(paths: Iterable[str], counts: Mapping[str, Counts]) -> bool:
    paths = tuple(paths)
    return len(paths) <= MOST_FILES and sum(counts[path].lines for path in paths) <= MOST_LINES
