"""`codex-runner keys rotate`: a new key in a role's place."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.keys import keeper, read_public, role_argument, tell_key, uri_options
from runner.cli.options import json_option, resolve_state, state_option
from runner.records.evidence import Role


@click.command()
@role_argument
@uri_options
@state_option
@json_option
def command(role: Role, uri: str, public: Path | None, state: Path | None, as_json: bool) -> None:
    """Put a new key in the place of ROLE's; the old one signs it and is destroyed.

    What the old key signed before counts as ever. Whoever has the old public key is led to the new
    one by the history of keys in every run's folder. Refused while runs go on; start a gateway that
    serves anew afterwards.
    """
    made = keeper(resolve_state(state)).rotate(role, uri, read_public(uri, public))
    tell_key(made, as_json=as_json)
