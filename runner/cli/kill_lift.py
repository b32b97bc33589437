"""`codex-runner kill lift`: ends a kill, with an approver's key."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import readable_state, state_option


@click.command()
@click.argument("kill")
@click.option("--reason", required=True, help="Kept with it.")
@state_option
def command(kill: str, reason: str, state: Path | None) -> None:
    """End the kill with this id, or beginning of one.

    What it stopped does not start again by itself: see `codex-runner resume`.
    """
    from runner.halting import lifted
    from runner.killswitch import why
    from runner.person import this_user
    from runner.report.sanitise import line

    ended = lifted(readable_state(state), kill, reason, this_user())
    click.echo(f"lifted: {line(why(ended), 500)}")
