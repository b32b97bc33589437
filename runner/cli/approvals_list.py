"""`codex-runner approvals list`: what waits, and how people answer."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import get_terminal_size

import click

from runner.cli.options import json_option, state_option, tidied_state


@click.command()
@click.option("--all", "everything", is_flag=True, help="Answered and expired ones as well.")
@state_option
@json_option
def command(everything: bool, state: Path | None, as_json: bool) -> None:
    """Requests that wait for a person, the oldest first. JSON has figures as well: requests per
    run, how long people think, self-approvals."""
    from runner import approving
    from runner.approvals.metrics import metrics
    from runner.cli.approvals_advice import advice_json, advice_rows, place
    from runner.cli.ending import state_words
    from runner.report.sanitise import framed, line
    from runner.report.terminal import write_rows
    from runner.text import to_json

    home = tidied_state(state)
    queue = approving.enqueue(home)
    requests = queue.requests(everything=everything or as_json)
    shown = [each for each in requests if everything or each[1] == "waiting"]
    if as_json:
        rows = [
            {**asked.model_dump(mode="json", exclude={"content"}), "state": where}
            | advice_json(queue, asked)
            for asked, where in shown
        ]
        figures = metrics([asked for asked, _ in requests], queue.words())
        click.echo(to_json({"requests": rows, "metrics": figures}))
        return
    if not shown:
        click.echo("nothing waits for a person", err=True)
    told = []
    for asked, where in sorted(shown, key=lambda each: place(queue, each[0])):
        until = f"until {asked.expires_at:%F %R}Z"
        told += [f"{asked.id}  {where:8}  {until}"]
        for text in (line(asked.summary, 300), *advice_rows(queue, asked)):
            told += framed(text, get_terminal_size().columns)
    write_rows([(row, "") for row in told], sys.stdout)
    first = next((asked.id for asked, where in shown if where == "waiting"), None)
    if first is not None:
        click.echo(f"try: codex-runner approvals show {first}{state_words(home)}", err=True)
