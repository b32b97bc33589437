"""One measured comparison: samples in, one figure and its target out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Literal

Figure = Literal["ratio", "excess", "itself"]
"""ours / against, ours - against, or ours alone."""

_BETWEEN: Mapping[Figure, Callable[[float, float], float]] = {
    "ratio": operator.truediv,
    "excess": operator.sub,
    "itself": lambda ours, _: ours,
}


class UnmeasuredError(Exception):
    """A measurement cannot be made on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """`Row("--help", "s", (0.11, 0.12), (0.01, 0.01), "itself", at_most=0.15)`."""

    what: str
    unit: Literal["s", "ms", "us", "MB", "MB/s", "/s", "%"]
    ours: tuple[float, ...]
    """One sample per round, in `unit`."""
    against: tuple[float, ...]
    """Of the same rounds, in the same order."""
    figure: Figure
    at_most: float | None = None
    at_least: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    """Medians in `unit` that explain `ours`."""
    notes: tuple[str, ...] = ()
    """What the figure leaves out: one line for each sample that a person should look at."""

    @property
    def value(self) -> float:
        """The figure of the median round: paired, so that a drift of the machine cancels."""
        against = self.against or (0.0,) * len(self.ours)
        return median(map(_BETWEEN[self.figure], self.ours, against))

    @property
    def met(self) -> bool | None:
        """None = there is no target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    def as_json(self) -> dict[str, object]:
        """Everything, figures derived from the samples included."""
        medians = {"ours_median": median(self.ours)}
        if self.against:
            medians["against_median"] = median(self.against)
        return {**asdict(self), **medians, "value": self.value, "met": self.met}


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """What could not be measured, and why."""

    what: str
    reason: str


Result = Row | Unmeasured
