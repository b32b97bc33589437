"""A person watching a run: live on a terminal, plain lines in a log, or nothing. All on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from runner.ports import Progress
from runner.records.agent import AgentEvent
from runner.records.gate import GateReport
from runner.records.usage import Usage
from runner.report.markdown import cost
from runner.report.sanitise import line

if TYPE_CHECKING:
    from rich.console import RenderableType

EVENT_EVERY_S = 1.0
USAGE_EVERY_S = 30.0

_TOLD = frozenset({"command", "message", "file_change", "tool", "search", "error", "failed"})


class Watching(Progress, AbstractContextManager[Progress], Protocol):
    """A `Progress` that is shown between entering and leaving."""


def watching(quiet: bool = False, stream: TextIO | None = None) -> Watching:
    """The fitting way for this stream (stderr when none is given)."""
    stream = stream or sys.stderr
    if quiet:
        return SilentProgress()
    return LiveProgress(stream) if stream.isatty() else PlainProgress(stream)


class SilentProgress:
    """Says nothing."""

    def phase(self, name: str) -> None: ...
    def event(self, event: AgentEvent) -> None: ...
    def usage(self, usage: Usage) -> None: ...
    def gate(self, report: GateReport) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class PlainProgress(SilentProgress):
    """One line per phase and gate; of events and usage only so many, the others are counted."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._began = clock()
        self._event_at = self._usage_at = float("-inf")
        self._unsaid = 0
        self._who = self._waits = ""
        self._noted: set[str] = set()

    def phase(self, name: str) -> None:
        self._who, self._usage_at = who(name), float("-inf")
        self._say(f"{name} ...")

    def event(self, event: AgentEvent) -> None:
        if event.kind not in _TOLD or event.phase != "completed":
            return
        if self._clock() - self._event_at < EVENT_EVERY_S:
            self._unsaid += 1
            return
        more = f" (+{self._unsaid} unsaid)" if self._unsaid else ""
        self._event_at, self._unsaid = self._clock(), 0
        self._say(f"  {told(event, 160)}{more}")

    def usage(self, usage: Usage) -> None:
        if usage.waits and usage.waits != self._waits:
            self._say(f"  {self._who} waits: {line(usage.waits, 200)}")
        self._waits = usage.waits
        for note in _unheard(usage, self._who, self._noted):
            self._say(f"  {self._who}: {note}")
        if self._clock() - self._usage_at >= USAGE_EVERY_S:
            self._usage_at = self._clock()
            self._say(f"  {self._who}: {spent(usage)}")

    def gate(self, report: GateReport) -> None:
        self._say(f"  gate {report.gate}: {report.verdict}, {line(report.summary, 160)}")

    def _say(self, text: str) -> None:
        elapsed_s = int(self._clock() - self._began)
        with suppress(OSError):  # nobody reads any more: no reason to end the run
            print(
                f"[{elapsed_s // 60:02}:{elapsed_s % 60:02}] {text}", file=self._stream, flush=True
            )


class LiveProgress(SilentProgress):
    """Lines that change in place: phase, spenders, last event; one that stays for each phase
    and gate.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.live import Live

        self._clock, self._began = clock, clock()
        self._phase, self._turns, self._last = "starting", 0, ""
        self._spent: dict[str, Usage] = {}
        self._noted: set[str] = set()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live = Live(
            get_renderable=self._render, console=self._console, refresh_per_second=4,
            transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def phase(self, name: str) -> None:
        self._phase, self._last = name, ""
        self._console.print(f"{self._elapsed()} {name}", style="bold")

    def event(self, event: AgentEvent) -> None:
        self._turns += event.kind == "turn" and event.phase == "started"
        if event.kind in _TOLD:
            self._last = told(event, 400)

    def usage(self, usage: Usage) -> None:
        self._spent[who(self._phase)] = usage
        for note in _unheard(usage, who(self._phase), self._noted):
            self._console.print(f"      {who(self._phase)}: {note}", style="yellow")

    def gate(self, report: GateReport) -> None:
        text = f"      {report.gate}: {report.verdict}, {line(report.summary)}"
        self._console.print(text, style=STYLES[report.verdict])

    def _elapsed(self) -> str:
        elapsed_s = int(self._clock() - self._began)
        return f"{elapsed_s // 60:02}:{elapsed_s % 60:02}"

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        facts = f"{self._elapsed()} {self._phase} | turn {self._turns}"
        spenders = [f"      {name}: {spent(usage)}" for name, usage in self._spent.items()]
        waits = [f"      waits: {line(u.waits, 200)}" for u in self._spent.values() if u.waits]
        return Group(
            *(Text(row, no_wrap=True, overflow="ellipsis") for row in (facts, *spenders, *waits)),
            Text(f"      {self._last}", style="dim", no_wrap=True, overflow="ellipsis"),
        )


STYLES = {"passed": "green", "refused": "red", "waived": "yellow", "not-run": "dim"}


def told(event: AgentEvent, limit: int) -> str:
    """`command: pytest -q (exit 1)`"""
    text = f": {line(event.text, limit)}" if event.text else ""
    code = f" (exit {event.exit_code})" if event.exit_code else ""
    return f"{event.kind}{text}{code}"


def _unheard(usage: Usage, spender: str, noted: set[str]) -> Iterator[str]:
    """A line for each budget that has become nearly spent, once."""
    for note in usage.notes:
        budget = f"{spender} {note.partition(' % of ')[2].partition(' ')[0]}"
        if budget not in noted:
            noted.add(budget)
            yield line(note, 200)


def who(phase: str) -> str:
    """Who uses a model in this phase of a run."""
    return "reviewer" if phase == "gates" else "author"


def spent(usage: Usage) -> str:
    """`3 requests, 1,200 + 80 tokens, cost $0.0123`; `(1 sent again, waited 20 s)` behind it."""
    tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens"
    again = f" ({usage.retries} sent again, waited {usage.waited_s} s)" if usage.retries else ""
    return f"{usage.requests} requests, {tokens}, cost {cost(usage)}{again}"
