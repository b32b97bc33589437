"""How the words of several layers become one value. Every merge only tightens.

`meet(upper, lower)` is associative and idempotent, and what it yields is never looser than either;
all but `Upper` are commutative too, and that one is as soon as words carry the rank of their layer.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

from runner.records.hosts import common, parse_host

LayerName = Literal["built-in", "organisation", "user", "repository", "task", "command line"]
LAYERS: tuple[LayerName, ...] = (
    *("built-in", "organisation", "user"),
    *("repository", "task", "command line"),
)
"""From the one that decides first to the one that may only tighten."""
M = TypeVar("M", bound="Merge")


@dataclass(frozen=True)
class Merge:
    """The annotation of a policy's field: `Annotated[int, Least]`."""

    until: LayerName = "user"
    """The lowest layer whose word replaces the built-in default; all below it only tighten."""
    shared: ClassVar[bool] = False
    """Several layers make one value; of all others the last one that changed it did."""

    def meet(self, upper: Any, lower: Any) -> Any:
        """What holds when both were said."""
        raise NotImplementedError

    def lacks(self, asked: Any, got: Any) -> Any:
        """What of `asked` is not given by `got`; None = nothing."""
        return None if asked == got else asked


@dataclass(frozen=True)
class _Least(Merge):
    def meet(self, upper: Any, lower: Any) -> Any:
        return min((word for word in (upper, lower) if word is not None), default=None)


@dataclass(frozen=True)
class _Most(Merge):
    def meet(self, upper: Any, lower: Any) -> Any:
        return max((word for word in (upper, lower) if word is not None), default=None)


@dataclass(frozen=True)
class Strictest(Merge):
    """The first in `order` that anybody says."""

    order: tuple[Hashable, ...] = ()

    def meet(self, upper: Any, lower: Any) -> Any:
        return min(upper, lower, key=self.order.index)


@dataclass(frozen=True)
class _Union(Merge):
    """Everything that any layer names, the upper one's first; the built-in is never lost."""

    until: LayerName = "built-in"
    shared = True

    def meet(self, upper: Any, lower: Any) -> Any:
        return tuple(dict.fromkeys((*upper, *lower)))

    def lacks(self, asked: Any, got: Any) -> Any:
        return tuple(each for each in asked if each not in got) or None


@dataclass(frozen=True)
class _Intersection(Merge):
    """What all layers that speak name; None = nobody did, so everything."""

    shared = True

    def meet(self, upper: Any, lower: Any) -> Any:
        if upper is None or lower is None:
            return lower if upper is None else upper
        return tuple(each for each in upper if each in lower)

    def lacks(self, asked: Any, got: Any) -> Any:
        return None if got is None else tuple(each for each in asked if each not in got) or None


@dataclass(frozen=True)
class _Hosts(_Intersection):
    """The same of host names in the form of `normal_hosts`, where `*` stands for one label."""

    def meet(self, upper: Any, lower: Any) -> Any:
        return normal_hosts(map(str, common(map(parse_host, lower), map(parse_host, upper))))

    def lacks(self, asked: Any, got: Any) -> Any:
        given = [parse_host(host) for host in got]
        return (
            tuple(
                host
                for host in asked
                if not any(
                    each.covers(parse_host(host)) or parse_host(host).covers(each) for each in given
                )
            )
            or None
        )


@dataclass(frozen=True)
class Upper(Merge):
    """The highest layer that speaks decides, unless its word is one of `weak`."""

    until: LayerName = "command line"
    weak: tuple[Hashable, ...] = ()

    def meet(self, upper: Any, lower: Any) -> Any:
        return lower if upper in self.weak and lower not in self.weak else upper


Least = _Least()
"""The smallest number; None = no bound."""
Most = _Most()
"""The greatest number; None = none is asked for."""
AnyTrue = Strictest(order=(True, False))
Union = _Union()
Intersection = _Intersection()
Hosts = _Hosts()


def until(layer: LayerName, merge: M) -> M:
    """The same merge where `layer` too may replace the built-in default."""
    return replace(merge, until=layer)


def normal_hosts(hosts: Any) -> tuple[str, ...]:
    """Sorted, without those that another one covers."""
    every = {parse_host(host) for host in hosts}
    return tuple(
        sorted(
            str(host)
            for host in every
            if not any(other != host and other.covers(host) for other in every)
        )
    )
