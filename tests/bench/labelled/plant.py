"""Bad changes: a good one, and one defect more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType

from tests.bench.labelled.diff import Diff, Edits, GateName, Tree, applied

SEED = 20261120
MOST_BYTES = 30_000
"""Of a change that carries a defect: what all its files have, for they are all looked at again."""


@dataclass(frozen=True, slots=True)
class Planted:
    """What the defect adds to a change."""

    edits: Edits = field(default_factory=lambda: MappingProxyType({}))
    before: Edits = field(default_factory=lambda: MappingProxyType({}))
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


Plant = Callable[[Random, Tree], Planted | None]
"""Chance and the tree after the good change; None = there is nothing to spoil in this one."""


def bad(
    gate: GateName, kinds: Mapping[str, Plant], carriers: Iterable[Diff], trees: Mapping[str, Tree]
) -> Iterator[Diff]:
    """Every kind once, on a change that this gate has to pass. The same ones every time."""
    small = (each for each in carriers if each.labels[gate] is False and _bytes(each) <= MOST_BYTES)
    carriers = sorted(small, key=lambda each: each.id)
    for kind, plant in kinds.items():
        chance = Random(f"{SEED} {gate} {kind}")
        for carrier in chance.sample(carriers, len(carriers)):
            planted = plant(chance, applied(trees[carrier.release], carrier.edits))
            if planted is not None and planted.before.keys().isdisjoint(carrier.edits):
                yield Diff(
                    id=f"{gate}:{kind}",
                    release=carrier.release,
                    edits={**carrier.edits, **planted.edits},
                    labels={gate: True},
                    before=planted.before,
                    texts=planted.texts,
                    carrier=carrier.id,
                    kind=kind,
                )
                break


def _bytes(diff: Diff) -> int:
    return sum(len(entry.data) for entry in diff.edits.values() if entry is not None)
