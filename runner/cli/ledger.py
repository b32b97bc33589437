"""`codex-runner ledger`: the log of all receipts."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "check": "Every entry: chain, tree, signatures, roles, checkpoint.",
        "checkpoint": "Its signed size and root, to be kept elsewhere.",
        "ddl": "SQL for a ledger of several hosts, in PostgreSQL.",
    }
)
EPILOG = """\b
It is a file in STATE/ledger, or with `ledger = "postgresql://user@host/database"` a database that
several hosts append to. Whoever can write all of STATE/ledger can put back an older copy of it:
that shows only against a checkpoint kept elsewhere (ledger check --since FILE).
"""


def require_ledger(state: Path) -> str | None:
    """Its address, None = in the state directory. Raises ConfigError: nothing was kept yet."""
    from runner.cli.address import ledger_address
    from runner.errors import ConfigError
    from runner.ledger.ledger import has_ledger

    address = ledger_address(state)
    if not has_ledger(state, address):
        raise ConfigError(f"there is no ledger in {state}", "codex-runner run begins one")
    return address


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.ledger_", epilog=EPILOG)
def command() -> None:
    """The log of all receipts: check it, keep its checkpoint, prepare a database for it."""
