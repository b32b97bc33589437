"""`codex-runner ledger checkpoint`: what to keep outside of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import state_option, tidied_state, write_bytes


@click.command()
@state_option
def command(state: Path | None) -> None:
    """Write the ledger's signed size and root (a C2SP checkpoint) to standard output."""
    from runner.ledger.ledger import open_ledger

    with open_ledger(tidied_state(state)) as ledger:
        write_bytes(ledger.checkpoint())
