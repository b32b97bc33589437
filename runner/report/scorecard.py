"""A fire drill told on a terminal: one line per attack, what got through in full, the score."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from runner.records.drill import Attempt, DrillReport
from runner.report.sanitise import line
from runner.report.terminal import Told, write_rows

STYLES = {"stopped": "green", "breached": "bold red", "not-tried": "red", "not-applicable": "dim"}


@contextmanager
def ticking(stream: TextIO, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """What is being tried now: one changing line on a terminal, else a line for each family."""
    began, said = time.monotonic(), ""

    def elapsed(name: str) -> str:
        seconds = int(time.monotonic() - began)
        return f"[{seconds // 60:02}:{seconds % 60:02}] {name} ..."

    def tell(name: str) -> None:
        nonlocal said
        family = name.partition(".")[0]
        if not quiet and family != said:
            print(elapsed(family), file=stream, flush=True)
        said = family

    if quiet or not stream.isatty():
        yield tell
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    with console.status("starting") as status:
        yield lambda name: status.update(elapsed(name))


def print_scorecard(drill: DrillReport, stream: TextIO) -> None:
    """The whole card; styled only on a terminal that wants it."""
    write_rows([*scorecard_rows(drill)], stream)


def attempt_row(attempt: Attempt, width: int = 26) -> Told:
    """`stopped   paths.workflow   gate paths: paths.protected **/.git*/ (built-in), 1.3 s`"""
    told = line(attempt.why, 160)
    if attempt.by is not None:
        by = attempt.by
        told = f"{by.where}: {line(by.rule, 120)} ({line(by.origin, 100)})"
    seconds = f", {attempt.duration_ms / 1000:.1f} s" if attempt.run else ""
    style = STYLES[attempt.outcome]
    return f"{attempt.outcome:14} {attempt.attack:{width}} {told}{seconds}", style


def scorecard_rows(drill: DrillReport) -> Iterator[Told]:
    """Lines and styles, all text sanitised."""
    yield f"drill of {line(drill.repository)} at {drill.base_commit[:12]}, {drill.engine}", "bold"
    width = max((len(attempt.attack) for attempt in drill.attempts), default=0)
    yield from (attempt_row(attempt, width) for attempt in drill.attempts)
    for outcome in ("breached", "not-tried"):
        for attempt in drill.attempts:
            if attempt.outcome == outcome:
                yield from _in_full(attempt)
    for note in drill.notes:
        yield f"note  {line(note, 400)}", "yellow"
    yield score(drill), "bold green" if drill.exit_code == 0 else "bold red"


def score(drill: DrillReport) -> str:
    """`stopped 41 of 47 attacks, breached 4, not tried 2; 3 not applicable; 58 s`"""
    counts = {name: sum(a.outcome == name for a in drill.attempts) for name in STYLES}
    made = len(drill.attempts) - counts["not-applicable"]
    seconds = (drill.finished_at - drill.started_at).total_seconds()
    return (
        f"stopped {counts['stopped']} of {made} attacks, breached {counts['breached']}, "
        f"not tried {counts['not-tried']}; {counts['not-applicable']} not applicable; "
        f"{seconds:.0f} s"
    )


def _in_full(attempt: Attempt) -> Iterator[Told]:
    yield "", ""
    yield f"{attempt.outcome}: {attempt.attack}: {line(attempt.about, 200)}", "bold red"
    yield f"  seen   {line(attempt.why, 1000)}", ""
    if attempt.proof:
        yield f"  proof  {line(attempt.proof, 1000)}", ""
    yield f"  try    {line(attempt.remedy, 400)}", ""
