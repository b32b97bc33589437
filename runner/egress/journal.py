"""What a proxy allowed and denied: every case in a file, the sum of it in memory, both bounded."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from runner.egress.rules import Refusal
from runner.records.setup import Denied, Traffic

MAX_LINES = 20_000
MAX_HOSTS = 100


@dataclass(slots=True)
class Journal:
    """`with Journal(path) as journal:`; used by one thread."""

    path: Path
    sent_bytes: int = 0
    received_bytes: int = 0
    _file: TextIO = field(init=False)
    _lines: int = 0
    _reached: dict[str, None] = field(default_factory=dict)
    _denied: dict[tuple[str, Refusal], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._file = self.path.open("w")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def allowed(self, host: str, address: str) -> None:
        if len(self._reached) < MAX_HOSTS:
            self._reached[host] = None
        self._write({"verdict": "allowed", "host": host, "address": address})

    def denied(self, host: str, refusal: Refusal) -> None:
        known = (host, refusal)
        if known in self._denied or len(self._denied) < MAX_HOSTS:
            self._denied[known] = self._denied.get(known, 0) + 1
        told = {"why": refusal.why, "remedy": refusal.remedy}
        self._write({"verdict": "denied", "host": host, **told})

    def ended(self, host: str, sent_bytes: int, received_bytes: int) -> None:
        counts = {"sent_bytes": sent_bytes, "received_bytes": received_bytes}
        self._write({"verdict": "ended", "host": host, **counts})

    def traffic(self) -> Traffic:
        return Traffic(
            reached=tuple(self._reached),
            denied=tuple(
                Denied(host=host, why=refusal.why, remedy=refusal.remedy, times=times)
                for (host, refusal), times in self._denied.items()
            ),
            sent_bytes=self.sent_bytes,
            received_bytes=self.received_bytes,
        )

    def _write(self, told: dict[str, object]) -> None:
        self._lines += 1
        if self._lines > MAX_LINES:
            return
        if self._lines == MAX_LINES:
            told = {"verdict": "more", "why": f"only {MAX_LINES} lines are kept"}
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._file.write(json.dumps({"at": now, **told}) + "\n")
        self._file.flush()
