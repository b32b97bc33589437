"""`codex-runner kill list`: what is stopped, why, and by whom."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.options import json_option, readable_state, state_option


@click.command()
@state_option
@json_option
def command(state: Path | None, as_json: bool) -> None:
    """What is in force, oldest first: kills, files that stop everything, and what is broken."""
    from runner.halting import in_force
    from runner.killswitch import remedy, why
    from runner.policy.settings import load_settings
    from runner.report.sanitise import line
    from runner.text import to_json

    place = readable_state(state)
    settings = load_settings(os.environ, {"state": str(place)})
    kills = in_force(place, settings.kill_file, settings.ledger)
    if as_json:
        click.echo(to_json([kill.model_dump(mode="json") for kill in kills]))
        return
    for kill in kills:
        click.echo(f"{line(why(kill), 500)}\n  lift: {line(remedy(kill), 500)}")
    if not kills:
        click.echo(f"nothing is stopped in {place}", err=True)
