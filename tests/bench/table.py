"""The one table, and the lines under it that say what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench.row import Result, Row, Unmeasured

COLUMNS = ("ours", "against", "figure", "target", "met")
SIGNS = {"ratio": "x", "excess": "+", "itself": ""}


def show(results: Sequence[Result], console: Console) -> None:
    """Print everything; parts of a row stand under it."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("what", overflow="fold")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in _lines(results):
        table.add_row(*cells)
    console.print(table)
    for text in told(results):
        console.print(text, highlight=False, markup=False, emoji=False)


def told(results: Iterable[Result]) -> Iterator[str]:
    """One line per note, missed target or missing measurement, then the sum."""
    results = tuple(results)
    rows = [result for result in results if isinstance(result, Row)]
    missed = [row for row in rows if row.met is False]
    absent = [result for result in results if isinstance(result, Unmeasured)]
    yield from (note for row in rows for note in row.notes)
    yield from (f"MISSED: {row.what}: {figure(row)}, target {target(row)}" for row in missed)
    yield from (f"NOT MEASURED: {each.what}: {each.reason}" for each in absent)
    judged = sum(row.met is not None for row in rows)
    yield (
        f"{judged - len(missed)} of {judged} targets met, "
        f"{len(missed)} missed, {len(absent)} not measured"
    )


def figure(row: Row) -> str:
    """`1.23x`, `+0.45 s` or `0.11 s`."""
    if row.figure == "ratio":
        return f"{number(row.value)}x"
    plus = "+" if row.figure == "excess" and row.value >= 0 else ""
    return f"{plus}{number(row.value)} {row.unit}"


def target(row: Row) -> str:
    """`<= 0.6 s`, or nothing."""
    unit = "x" if row.figure == "ratio" else f" {row.unit}"
    if row.at_most is not None:
        return f"<= {row.at_most:g}{unit}"
    return "" if row.at_least is None else f">= {row.at_least:g}{unit}"


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1g}"


def _lines(results: Iterable[Result]) -> Iterator[tuple[str, ...]]:
    for result in results:
        if isinstance(result, Unmeasured):
            yield (f"[yellow]{result.what}[/]", "", "", "", "", "[yellow]not measured[/]")
            continue
        yield (
            result.what,
            _median(result.ours, result.unit),
            _median(result.against, result.unit) if result.against else "",
            figure(result),
            target(result),
            {True: "[green]yes[/]", False: "[red]NO[/]", None: ""}[result.met],
        )
        for name, part in result.parts.items():
            yield (f"[dim]  {name}[/]", f"[dim]{number(part)} {result.unit}[/]", "", "", "", "")


def _median(samples: Sequence[float], unit: str) -> str:
    return f"{number(median(samples))} {unit}"
