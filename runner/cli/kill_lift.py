"""`codex-runner kill lift`: ends a kill, with an approver's key."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.address import ledger_address
from runner.cli.options import json_option, readable_state, state_option


@click.command()
@click.argument("kill")
@click.option("--reason", required=True, help="Kept with it.")
@state_option
@json_option
def command(kill: str, reason: str, state: Path | None, as_json: bool) -> None:
    """End the kill with this id, or beginning of one.

    What it stopped does not start again by itself: see `codex-runner resume`.
    """
    from runner.halting import lifted
    from runner.killswitch import why
    from runner.person import this_user
    from runner.report.sanitise import line
    from runner.text import to_json

    home = readable_state(state)
    ended = lifted(home, kill, reason, this_user(), ledger_address(home))
    if as_json:
        click.echo(to_json({"lifted": ended.model_dump(mode="json"), "reason": reason}))
    else:
        click.echo(f"lifted: {line(why(ended), 500)}")
