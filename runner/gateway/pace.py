"""How much of the ledger one caller may fill: a bucket of tokens that refills with time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

MOST_CALLERS = 4096
"""Buckets kept; the one that was used longest ago goes first, and would be full again by then."""
RATE_PER_S, BURST_S = 100, 100
"""Decisions of one agent: sustained, and how many seconds' worth of them at once."""


@dataclass(slots=True)
class Pace:
    """`Pace(per_s=1, burst=60)`: 60 at once, then one a second, for each caller."""

    per_s: float
    burst: int
    now: Callable[[], float] = monotonic
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """Caller -> what was left, and when."""

    def take(self, caller: str) -> bool:
        """Whether there is one left; it is taken."""
        now = self.now()
        left, since = self._buckets.pop(caller, (float(self.burst), now))
        left = min(self.burst, left + (now - since) * self.per_s)
        allowed = left >= 1
        self._buckets[caller] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return allowed


def spam_pace() -> Pace:
    """Of denials to what is not judged."""
    return Pace(per_s=1, burst=60)


def usual_pace(per_s: int = RATE_PER_S) -> Pace:
    """Of the decisions of one agent."""
    return Pace(per_s=per_s, burst=per_s * BURST_S)
