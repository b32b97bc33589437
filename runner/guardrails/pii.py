"""Personal data: entities by shape, checksum and context, also in encoded runs.

Names of people, places and dates need a model: they can be declared, and are told as unavailable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from runner.guardrails.encoded import decoded
from runner.guardrails.entities import ENTITIES, Entity
from runner.guardrails.fold import fold
from runner.guardrails.hit import Hit, shape
from runner.records.guardrail import FOUND_ENTITIES, Pii

BEFORE, AFTER = 60, 20
"""Characters around an entity in which a word may speak of it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entity in a text, in percent of confidence."""

    start: int
    end: int
    name: str
    confidence: int


def find(text: str, declared: Pii) -> Iterator[Hit]:
    """Hits at or above the threshold; of two that overlap the surer one."""
    wanted = frozenset(declared.entities or FOUND_ENTITIES)
    folded = fold(text)
    for each in entities(folded.text, wanted, declared.threshold_percent):
        yield _hit(text, *folded.span(each.start, each.end), each.name, each.confidence)
    if declared.detect_encoded_pii:
        for start, end, inner in decoded(text):
            for each in entities(inner, wanted, declared.threshold_percent):
                yield _hit(text, start, end, f"{each.name}_ENCODED", each.confidence)


def missing(declared: Pii) -> tuple[str, ...]:
    """Entities of the declaration that cannot be found here."""
    return tuple(name for name in declared.entities if name not in FOUND_ENTITIES)


def entities(text: str, wanted: frozenset[str], least: int) -> list[Found]:
    """In order; none overlaps another."""
    kinds = [entity for entity in ENTITIES if entity.name in wanted]
    every = sorted(
        (found for kind in kinds for found in _of(kind, text, least)),
        key=lambda found: (-found.confidence, found.start - found.end, found.start),
    )
    return sorted(_apart(every), key=lambda found: found.start)


def _of(kind: Entity, text: str, least: int) -> Iterator[Found]:
    for match in kind.found_in(text):
        sure = kind.bare if kind.graded is None else kind.graded(match[0])
        if (sure or kind.graded is None) and kind.is_spoken_of(_around(text, *match.span())):
            sure = max(sure, kind.near)
        if sure >= max(least, 1) and kind.proved(match[0]):
            yield Found(match.start(), match.end(), kind.name, sure)


def _around(text: str, start: int, end: int) -> str:
    """Of its paragraph before it, and of its line behind it."""
    before = text[max(0, start - BEFORE) : start].rpartition("\n\n")[2]
    return f"{before} {text[end : end + AFTER].partition(chr(10))[0]}"


def _apart(every: Iterable[Found]) -> Iterator[Found]:
    """The first of all that overlap: a set of taken characters keeps it linear."""
    taken: set[int] = set()
    for found in every:
        span = range(found.start, found.end)
        if taken.isdisjoint(span):
            taken.update(span)
            yield found


def _hit(text: str, start: int, end: int, name: str, confidence: int) -> Hit:
    what = f"{name} ({shape(text[start:end])}, {confidence} % sure)"
    return Hit(start, end, "pii", what, mask=f"<{name}>")
