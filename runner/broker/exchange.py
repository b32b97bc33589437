"""One request and what became of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from runner.broker.budget import Grant
from runner.broker.stream import Tap


@dataclass(slots=True)
class Exchange:
    """Filled in as the request goes its way."""

    method: str
    target: str
    began: float = field(default_factory=time.monotonic)
    status: int = 0
    upstream_status: int | None = None
    code: str | None = None
    """Why it was refused or failed."""
    body_bytes: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    grant: Grant | None = None
    response: httpx.Response | None = None
    tap: Tap = field(default_factory=Tap)

    def line(self) -> dict[str, object]:
        """For the journal."""
        tap = self.tap
        return {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "method": self.method,
            "target": self.target,
            "status": self.status,
            "code": self.code,
            "upstream_status": self.upstream_status,
            "ended": tap.ended,
            "body_bytes": self.body_bytes,
            "sent_bytes": self.sent_bytes,
            "received_bytes": self.received_bytes,
            "input_tokens": tap.spent.input_tokens if tap.spent else None,
            "cached_tokens": tap.spent.cached_tokens if tap.spent else None,
            "output_tokens": tap.spent.output_tokens if tap.spent else None,
            "unread_events": tap.unread,
            "duration_ms": round((time.monotonic() - self.began) * 1000),
        }
