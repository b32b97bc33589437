"""`codex-runner gateway token`: a credential, shown once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from runner.cli.options import json_option, made_state, state_option
from runner.cli.tenant import tenant_option, told_tenant

MOST = 100
"""Characters of a name."""


@click.command()
@click.argument("role", type=click.Choice(["agent", "approver", "admin"]))
@click.argument("name")
@tenant_option
@state_option
@json_option
def command(
    role: Literal["agent", "approver", "admin"],
    name: str,
    tenant: str | None,
    state: Path | None,
    as_json: bool,
) -> None:
    """A new bearer token for NAME, on stdout; only its hash is kept, in STATE/gateway/tokens.json.

    An agent may propose; an approver answers for requests to people; an administrator may stop
    everything and read all receipts. To revoke one, take its entry out of that file.
    """
    from runner.errors import ConfigError
    from runner.gateway.place import tokens_of
    from runner.gateway.tokens import issue
    from runner.records.evidence import AgentId
    from runner.serving import named
    from runner.text import to_json

    if not name.strip() or len(name) > MOST or not name.isprintable():
        raise ConfigError(
            f"{name[:MOST]!a} is no name", f"give one of at most {MOST} characters that print"
        )
    whose = told_tenant(tenant)
    agent = named(name, whose) if role == "agent" else AgentId("")
    token = issue(tokens_of(made_state(state)), role, name, agent, whose)
    told = {"token": token, "role": role, "name": name, "agent": agent, "tenant": whose}
    click.echo(to_json(told) if as_json else token)
