"""`codex-runner ledger checkpoint`: what to keep outside of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import state_option, tidied_state, write_bytes


@click.command()
@state_option
def command(state: Path | None) -> None:
    """Write the ledger's signed size and root (a C2SP checkpoint) to standard output."""
    from runner.cli.ledger import require_ledger
    from runner.ledger.ledger import open_ledger

    home = tidied_state(state)
    with open_ledger(home, address=require_ledger(home)) as ledger:
        write_bytes(ledger.checkpoint())
