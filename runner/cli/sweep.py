"""`codex-runner sweep`: cleans up after runners that were killed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli.options import json_option, readable_state, state_option
from runner.errors import InfraError


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed and sealed.")
@state_option
@json_option
def command(dry_run: bool, state: Path | None, as_json: bool) -> None:
    """Remove what runners that were killed left behind, and seal their runs as abandoned.

    Containers, volumes, processes, control groups, mounts, sockets and directories of dead runners,
    of both engines. Runs that go on are not touched. Every command that looks at runs does this by
    itself for a run it finds dead.

    Exit code 3 when something could not be removed.
    """
    from runner.report.sanitise import line
    from runner.sweep import look, sweep
    from runner.text import to_json

    place = readable_state(state)
    swept = look(place) if dry_run else sweep(place)
    told = asdict(swept)
    if as_json:
        click.echo(to_json({"dry_run": dry_run, **told}))
    else:
        done = {"removed": "would remove", "sealed": "would seal"} if dry_run else {}
        rows = [(done.get(what, what), row) for what, rows in told.items() for row in rows]
        for what, row in rows:
            click.echo(f"{what:12}  {line(row, 500)}")
        if not swept.removed and not swept.sealed and not swept.left:
            click.echo(f"nothing to sweep in {place}", err=True)
    if swept.left:
        sys.exit(InfraError.exit_code)
