"""What a lease tells while it lives: written by the serving thread, read by any."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runner.broker.calls import Calls


@dataclass(slots=True)
class State:
    """Single words and numbers, each assignment atomic; but for `calls`, which has a lock."""

    message: str = ""
    fault: str | None = None
    """Why upstream could not serve the last request that reached for it; None = it did."""
    served: str = ""
    """The model that upstream said answered last; empty = it does not say."""
    broken: bool = False
    """Requests can no longer be written down: none is served any more."""
    waits: str = ""
    """What upstream's rate limit or failure is being waited out for; empty = nothing."""
    retries: int = 0
    waited_s: float = 0
    calls: Calls = field(default_factory=Calls)
    moved_at: float = field(default_factory=time.monotonic)

    def stir(self) -> None:
        """A byte went by."""
        self.moved_at = time.monotonic()

    def quiet_s(self) -> float:
        """Seconds since then, or since the start; whoever waits on purpose is not quiet."""
        return 0.0 if self.waits else time.monotonic() - self.moved_at

    @contextmanager
    def waiting(self, why: str) -> Iterator[None]:
        """Around a pause before a request is sent again."""
        began = time.monotonic()
        self.waits = why
        self.retries += 1
        try:
            yield
        finally:
            self.waits = ""
            self.waited_s += time.monotonic() - began
            self.stir()
