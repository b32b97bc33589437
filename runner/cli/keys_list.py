"""`codex-runner keys list`: every key, its role, and what it speaks for."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import json_option, resolve_state, state_option


@click.command()
@click.option("--restore", is_flag=True, help="Write the history of keys anew from the ledger.")
@state_option
@json_option
def command(restore: bool, state: Path | None, as_json: bool) -> None:
    """Tell every key: id, role, the entries of the ledger it speaks for, and why it ended."""
    from runner.cli.keys import keeper, row
    from runner.ledger.keyring import local_ring
    from runner.ledger.keys import private_half
    from runner.text import to_json

    place = resolve_state(state)
    if restore:
        keeper(place).restore()
    ring = local_ring(place)
    rows = [{**row(key), "here": private_half(place, name)} for name, key in ring.keys.items()]
    if as_json:
        click.echo(to_json({"keys": rows}))
        return
    for each in rows:
        until = "" if each["until"] is None else int(str(each["until"])) - 1
        told = f"{str(each['keyid'])[:16]}  {each['role']:8}  entries {each['since']}-{until}"
        state_of = each["ended"] or each["here"] or "elsewhere"
        click.echo(f"{told:48}  {state_of}  {each['reason']}".rstrip())
    if not rows:
        click.echo(f"no key in {place} yet: the first run makes the gate's", err=True)
