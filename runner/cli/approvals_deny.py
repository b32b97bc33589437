"""`codex-runner approvals deny`: one action, for good."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import json_option, state_option, tidied_state


@click.command()
@click.argument("request")
@click.option("--reason", default="", help="Kept with the word.")
@state_option
@json_option
def command(request: str, reason: str, state: Path | None, as_json: bool) -> None:
    """Deny REQUEST. The same action of the same run is not asked for again."""
    from runner import approving
    from runner.person import this_user
    from runner.text import to_json

    home = tidied_state(state)
    queue = approving.enqueue(home)
    asked, _ = queue.find(request)
    approving.require_key(home, at_terminal=sys.stdin.isatty())
    word = queue.resolve(asked.id, "no", asked.action, this_user(), "terminal", reason)
    if as_json:
        click.echo(to_json(word.model_dump(mode="json")))
    else:
        click.echo(f"{word.approver} denies {asked.id}, for good")
