"""Layers -> one Policy, and for every field who decided it and who did not get what they asked for.

Pure: nothing is read here. From the highest layer down, a field's words are met one after the
other. The built-in default is a word of the lowest layer that may replace it: it holds for all
below, and is forgotten when that layer or one above it speaks. A pin ends the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runner.records.merge import LAYERS, LayerName, Upper
from runner.records.policy import Field, Layer, Policy, fields


@dataclass(frozen=True, slots=True)
class Place:
    """Who decided."""

    layer: LayerName
    where: str
    """`config.toml, line 3`"""


BUILT_IN = Place("built-in", "built-in")


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a layer asked for and did not get."""

    field: str
    asker: Place
    asked: Any
    got: Any
    by: Place
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One field's value."""

    value: Any
    by: tuple[Place, ...]
    """The layer that set it; of what is added up or cut down, every one that took part."""
    dropped: tuple[Dropped, ...] = ()
    pinned: Place | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """A policy and its reasons."""

    policy: Policy
    fields: Mapping[str, Decision]
    layers: tuple[Layer, ...]

    def of(self, *names: LayerName) -> tuple[Layer, ...]:
        """The layers of these names, from the highest down."""
        return tuple(each for each in self.layers if each.name in names)

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        return tuple(each for decision in self.fields.values() for each in decision.dropped)


def decide(layers: Iterable[Layer]) -> Decided:
    """In whatever order they are given; those of one name hold in the order given."""
    ranked = tuple(sorted(layers, key=lambda layer: LAYERS.index(layer.name)))
    found = {field.name: decide_field(field, ranked) for field in fields().values()}
    return Decided(policy_of({name: each.value for name, each in found.items()}), found, ranked)


def compared(name: str, old: Any, new: Any) -> Literal["tighter", "looser", "changed"] | None:
    """How one value of a field stands to another; None = they say the same."""
    merge = fields()[name].merge
    if _bare(old) == _bare(new):
        return None
    met = _bare(merge.meet(old, new))
    if isinstance(merge, Upper) or met not in (_bare(old), _bare(new)):
        return "changed"
    return "tighter" if met == _bare(new) else "looser"


def _bare(value: Any) -> Any:
    """Without the order in which layers named things."""
    return frozenset(value) if isinstance(value, tuple) else value


def policy_of(values: Mapping[str, Any]) -> Policy:
    """`{"limits.lines": 5, ...}` as a record."""
    whole: dict[str, Any] = {}
    for name, value in values.items():
        head, _, tail = name.partition(".")
        if tail:
            whole.setdefault(head, {})[tail] = value
        else:
            whole[head] = value
    return Policy.model_validate(whole)


def decide_field(field: Field, ranked: Iterable[Layer]) -> Decision:
    """`ranked` from the highest down."""
    value, spoken = field.default, False
    by: tuple[Place, ...] = (BUILT_IN,)
    pinned: Place | None = None
    dropped: list[Dropped] = []
    for layer in ranked:
        words = layer.void if field.name in layer.void else layer.values
        if field.name not in words:
            continue
        place, asked = Place(layer.name, layer.place(field.name)), words[field.name]
        if pinned is None and words is layer.values:
            bound = spoken or LAYERS.index(layer.name) > LAYERS.index(field.merge.until)
            met = field.merge.meet(value, asked) if bound else asked
            if met != value or not bound:
                joined = field.merge.shared and (spoken or (bound and value))
                by = (*by, place) if joined else (place,)
            value, spoken = met, True
            pinned = place if field.name in layer.pins else None
        lost = field.merge.lacks(asked, value)
        if lost is not None:
            who = pinned or by[-1]
            dropped.append(Dropped(field.name, place, lost, value, who, pinned is not None))
    return Decision(value, by, tuple(dropped), pinned)
