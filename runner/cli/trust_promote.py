"""`codex-runner trust promote`: a person lets an agent climb one rung."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from runner.cli.address import ledger_address
from runner.cli.options import json_option, readable_state, state_option
from runner.cli.tenant import tenant_option, told_tenant

if TYPE_CHECKING:
    from runner.records.level import Level


@click.command()
@click.argument("agent")
@click.argument("level", type=click.IntRange(1, 3))
@click.option("--reason", required=True, help="Why; kept with your word.")
@tenant_option
@state_option
@json_option
def command(
    agent: str, level: int, reason: str, tenant: str | None, state: Path | None, as_json: bool
) -> None:
    """Let AGENT (a name or ag_...) up to LEVEL, signed with the approver's key.

    The ladder has to allow it: codex-runner trust AGENT says what is missing. An agent of which too
    little is known may be let up to level 1, where a person looks at everything it publishes.
    """
    from runner.ledger.keys import local_signer
    from runner.ledger.ledger import open_ledger
    from runner.text import to_json
    from runner.trusting import named, promote

    home = readable_state(state)
    local_signer(home, "approver")  # before anything is opened: says how to make one
    who = named(agent, told_tenant(tenant))
    with open_ledger(home, address=ledger_address(home)) as ledger:
        entry = promote(home, ledger, who, cast("Level", level), reason)
    told = {"agent": who, "level": level, "receipt": entry.id}
    click.echo(to_json(told) if as_json else f"{who} is on level {level} now: receipt {entry.id}")
