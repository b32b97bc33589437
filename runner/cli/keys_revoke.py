"""`codex-runner keys revoke`: from now on, what a key signs does not count."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.keys import keeper, tell_key
from runner.cli.options import json_option, resolve_state, state_option


@click.command()
@click.argument("keyid")
@click.option("--reason", required=True, help="Kept in the ledger, and told to who verifies.")
@state_option
@json_option
def command(keyid: str, reason: str, state: Path | None, as_json: bool) -> None:
    """Revoke the key KEYID (or the beginning of its id; see `keys list`).

    Statements after this entry of the ledger do not count; earlier ones do. Nothing is signed with
    the key here any more: `keys rotate ROLE` puts a new one in its place. An approver's key is
    rotated first, and revoked with the new one's word.
    """
    tell_key(keeper(resolve_state(state)).revoke(keyid, reason), as_json=as_json)
