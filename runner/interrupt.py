"""^C, SIGTERM and a closed terminal: a sandbox is stopped in good order, all else at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType, TracebackType
from typing import Self

from runner.records.sandbox import StopReason

LISTENING_S = 0.5
"""Whoever asked `halted()` this recently will ask again within this time and stop by itself."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """`with Interrupts() as interrupts:` and hand `interrupts.halted` to whoever can stop.

    A second signal, or one that nobody is told in time, raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self._signalled = self._told = False
        self._heard_at = 0.0
        self._before: dict[signal.Signals, signal.Handlers | object] = {}

    def halted(self) -> StopReason | None:
        self._heard_at = monotonic()
        self._told = self._signalled
        return "interrupted" if self._signalled else None

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Behind it signals are ignored: the evidence still to be written is short, and whole."""
        try:
            yield
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        listened = monotonic() - self._heard_at < LISTENING_S
        again, self._signalled = self._signalled, True
        if again or not listened:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, LISTENING_S)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self._told:  # it had asked for the last time
            raise KeyboardInterrupt
