"""`codex-runner outcomes sync`: asks the forges what became of the requests."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state

if TYPE_CHECKING:
    from runner.records.base import RunId
    from runner.syncing import Synced


@click.command()
@click.option("--repo", help="Only what was published there: the remote's URL or path.")
@state_option
@json_option
def command(repo: str | None, state: Path | None, as_json: bool) -> None:
    """Ask for every published run whether its request was merged, taken back, closed, or changes
    were asked for. Each is appended once, signed with the verifier's key.

    Exit code 3 when a forge could not be asked; what could be is appended all the same.
    """
    from runner.ledger.keys import local_signer
    from runner.ledger.ledger import LEDGER, open_ledger
    from runner.live import exclusive
    from runner.policy.settings import load_settings
    from runner.syncing import Sync
    from runner.text import to_json

    home = tidied_state(state)
    local_signer(home, "verifier")  # before any forge is asked: says how to make one
    settings = load_settings(os.environ, {"state": str(home)})
    rows: list[Synced] = []
    with (
        open_ledger(home, address=settings.ledger) as ledger,
        exclusive(home / LEDGER / ".syncing"),
    ):
        for row in Sync(home, settings, ledger, os.environ, _heard).all(repo):
            rows.append(row)
            if not as_json:
                _print(row)
    if as_json:
        click.echo(to_json([asdict(row) for row in rows]))
    elif not rows:
        click.echo(f"nothing was published from {home}" + (f" to {repo}" if repo else ""))
    sys.exit(3 if any(row.problem for row in rows) else 0)


def _heard(number: int, count: int, run: RunId) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{number}/{count} {run}", err=True, nl=number == count)


def _print(row: Synced) -> None:
    from runner.report.sanitise import line

    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)
    new = f"  new: {', '.join(row.added)}" if row.added else ""
    click.echo(f"{row.run}  {row.state:18} {line(row.request, 300)}{new}")
    if row.problem:
        click.echo(f"warning: {row.run}: {line(row.problem, 500)}", err=True)
