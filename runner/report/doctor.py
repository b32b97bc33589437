"""A diagnosis told on a terminal: engines, ten points, versions, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TextIO

from runner.records.posture import Diagnosis, Guarantee, Standing
from runner.report.sanitise import line
from runner.report.terminal import Told, write_rows

STYLES: Mapping[Standing, str] = MappingProxyType(
    {"enforced": "green", "advisory": "yellow", "unavailable": "red", "unknown": "yellow"}
)


def print_diagnosis(diagnosis: Diagnosis, stream: TextIO | None = None) -> None:
    """Styled only on a terminal that wants it."""
    write_rows([*_rows(diagnosis)], stream or sys.stdout)


@contextmanager
def working(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Says on stderr what is going on: one changing line on a terminal, else a line each."""
    if quiet:
        yield lambda _: None
        return
    stream = sys.stderr
    if not stream.isatty():
        yield lambda text: print(f"{text} ...", file=stream, flush=True)
        return
    from rich.console import Console

    with Console(stderr=True).status("looking around") as status:
        yield status.update


def _rows(diagnosis: Diagnosis) -> Iterator[Told]:
    for engine in diagnosis.engines:
        chosen = ", used by runs" if engine.chosen else ""
        yield f"engine {engine.engine}{chosen}", "bold"
        yield from _guarantees(engine.guarantees)
        yield "", ""
    yield "readiness", "bold"
    yield from _guarantees(diagnosis.readiness)
    yield "", ""
    yield "versions", "bold"
    for version in diagnosis.versions:
        yield f"  {version.name:18} {line(version.version)}", ""
        if version.warning:
            yield f"  {'':18} warning: {line(version.warning)}", "yellow"
    yield "", ""
    yield ("ready", "bold green") if diagnosis.ready else ("not ready", "bold red")


def _guarantees(guarantees: Iterable[Guarantee]) -> Iterator[Told]:
    for each in guarantees:
        style = STYLES[each.standing] if each.required or each.standing == "enforced" else "yellow"
        yield f"  {each.name:18} {each.standing:11} {line(each.detail, 400)}", style
        if each.remedy:
            yield f"  {'':30} try: {line(each.remedy, 400)}", ""
