"""What a lease tells while it lives: written by the serving thread, read by any."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class State:
    """Single words and numbers only: each assignment is atomic."""

    message: str = ""
    fault: str | None = None
    """Why upstream could not serve the last request that reached for it; None = it did."""
    broken: bool = False
    """Requests can no longer be written down: none is served any more."""
    moved_at: float = field(default_factory=time.monotonic)

    def stir(self) -> None:
        """A byte went by."""
        self.moved_at = time.monotonic()

    def quiet_s(self) -> float:
        """Seconds since then, or since the start."""
        return time.monotonic() - self.moved_at
