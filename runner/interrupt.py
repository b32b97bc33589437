"""^C and SIGTERM: a running sandbox is stopped in good order, anything else at once."""

from __future__ import annotations

import signal
from time import monotonic
from types import FrameType, TracebackType
from typing import Self

from runner.records.sandbox import StopReason

LISTENING_S = 0.5
"""Whoever asked `halted()` this recently will ask again and stop by itself."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """`with Interrupts() as interrupts:` and hand `interrupts.halted` to whoever can stop.

    A second signal, or one nobody is listening for, raises KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self._signalled = False
        self._heard_at = 0.0
        self._before: dict[signal.Signals, signal.Handlers | object] = {}

    def halted(self) -> StopReason | None:
        self._heard_at = monotonic()
        return "interrupted" if self._signalled else None

    def __enter__(self) -> Self:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        listened = monotonic() - self._heard_at < LISTENING_S
        again, self._signalled = self._signalled, True
        if again or not listened:
            raise KeyboardInterrupt
