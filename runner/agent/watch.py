"""Follows one session of codex, and stops it when it is silent, over budget or halted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import BinaryIO

from runner.agent.events import EventParser
from runner.ports import Session
from runner.records.agent import AgentEvent
from runner.records.base import Sha256
from runner.records.sandbox import StopReason

BUDGET_GRACE_S = 5.0
"""For codex to end by itself after the broker's refusal, which it does within a second."""
MIB = 1024 * 1024


class SessionWatch:
    """The `Watch` of a codex sandbox. Keeps the raw stream, counts what it tells."""

    def __init__(
        self, session: Session, raw: BinaryIO, clock: Callable[[], float] = monotonic
    ) -> None:
        self._session = session
        self._raw = raw
        self._clock = clock
        self._parser = EventParser()
        self._room_bytes = session.walls.output_mib * MIB
        self._heard_at = clock()
        self._exhausted_at: float | None = None
        self._usage = session.lease.usage()
        self.seen: Counter[tuple[str, str]] = Counter()
        """(kind, phase) -> number of events."""
        self._commands: set[tuple[str, Sha256]] = set()
        self.complaint = ""
        """The last failure or error codex told of."""

    def stdout(self, chunk: bytes) -> None:
        kept = chunk[: self._room_bytes]
        self._room_bytes -= len(kept)
        self._raw.write(kept)
        for event in self._parser.feed(chunk):
            self._hear(event)

    def stderr(self, chunk: bytes) -> None:
        """The engine keeps the tail."""

    def close(self) -> None:
        """The sandbox is dead: a last line without an end counts as well."""
        for event in self._parser.close():
            self._hear(event)

    @property
    def codes(self) -> tuple[Sha256, ...]:
        """Of each command that was told of, be it that only its start, or its end, could be read:
        what it printed may be more than a line holds."""
        return tuple(sorted(code for _, code in self._commands))

    def stop(self) -> StopReason | None:
        return self._session.halted() or self._over_budget() or self._idle()

    def _hear(self, event: AgentEvent) -> None:
        self._heard_at = self._clock()
        self.seen[event.kind, event.phase] += 1
        if event.code_sha256 is not None:
            self._commands.add((event.item, event.code_sha256))
        if event.kind in {"failed", "error"}:
            self.complaint = event.text
        self._session.on_event(event)

    def _over_budget(self) -> StopReason | None:
        usage = self._session.lease.usage()
        if usage != self._usage:
            self._usage = usage
            self._session.on_usage(usage)
        if usage.exhausted is None:
            return None
        if self._exhausted_at is None:
            self._exhausted_at = self._clock()
        return "budget" if self._clock() - self._exhausted_at > BUDGET_GRACE_S else None

    def _idle(self) -> StopReason | None:
        silent_s = min(self._clock() - self._heard_at, self._session.lease.quiet_s())
        return "idle" if silent_s > self._session.idle_s else None
