"""`codex-runner list`: all runs, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state

if TYPE_CHECKING:
    from runner.ledger.folder import RunFolder

Row = dict[str, str | int | None]


@click.command()
@state_option
@json_option
def command(state: Path | None, as_json: bool) -> None:
    """All runs, newest first: id, how it ended, age, title, request."""
    from runner.ledger.folder import folders
    from runner.text import to_json

    place = tidied_state(state)
    rows = [_row(folder) for folder in folders(place)]
    if as_json:
        click.echo(to_json(rows))
    elif rows:
        _print(rows)
    else:
        click.echo(f"no runs in {place}", err=True)


def _row(folder: RunFolder) -> Row:
    from runner.errors import RunnerError
    from runner.ledger.folder import REPORT
    from runner.report.saved import read_report

    row: Row = {"run": folder.run, "folder": str(folder.path)}
    try:
        content = folder.read(REPORT)
        report = None if content is None else read_report(content, REPORT)
        if report is None:
            return {**row, "conclusion": folder.condition()}
    except RunnerError:
        return {**row, "conclusion": "unreadable"}
    return {
        **row,
        "conclusion": report.conclusion,
        "exit_code": report.exit_code,
        "started_at": report.started_at.isoformat(),
        "age": _age(report.started_at),
        "title": report.plan.task.title if report.plan else None,
        "url": report.publication.url if report.publication else None,
    }


def _age(then: datetime) -> str:
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _print(rows: list[Row]) -> None:
    import sys

    from runner.report.sanitise import line
    from runner.report.terminal import write_rows

    wide = max(len(str(row["run"])) for row in rows)
    told = [
        (
            f"{row['run']:{wide}}  {row['conclusion']:14}  {row.get('age') or '-':>4}  "
            f"{line(str(row.get('title') or '-'), 60)}  {line(str(row.get('url') or ''), 500)}"
        ).rstrip()
        for row in rows
    ]
    write_rows([(text, "") for text in told], sys.stdout)
