"""What a sandbox prints: counted, cut at its wall, handed on; only the end of stderr is kept."""

from __future__ import annotations

from dataclasses import dataclass

from runner.ports import Watch
from runner.records.sandbox import StopReason
from runner.text import visible

STDOUT, STDERR = 1, 2
TAIL_BYTES = 4096
ABRUPT: frozenset[StopReason] = frozenset({"output", "disk", "entries", "halted"})
"""What grows is not asked to end: it is killed, before it has grown by as much again. Nor is what
the kill switch stops."""


@dataclass(slots=True)
class Heard:
    """Counts everything, hands on what fits the output wall, keeps the end of stderr."""

    watch: Watch
    limit_bytes: int
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    stderr_tail: bytes = b""

    def take(self, kind: int, chunk: bytes) -> None:
        room = max(0, self.limit_bytes - self.stdout_bytes - self.stderr_bytes)
        fitting = chunk[:room]
        if kind == STDERR:
            self.stderr_bytes += len(chunk)
            self.stderr_tail = (self.stderr_tail + chunk)[-TAIL_BYTES:]
        else:
            self.stdout_bytes += len(chunk)
        if fitting:
            (self.watch.stderr if kind == STDERR else self.watch.stdout)(fitting)

    def tail(self) -> str:
        """The end of stderr, harmless on a terminal and in a log."""
        return visible(self.stderr_tail.decode(errors="replace"))

    def overflown(self) -> bool:
        return self.stdout_bytes + self.stderr_bytes > self.limit_bytes
