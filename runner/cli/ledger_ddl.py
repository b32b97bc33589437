"""`codex-runner ledger ddl`: a database for the ledger."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Write the SQL an administrator applies: `codex-runner ledger ddl | psql DATABASE`.

    It makes the tables and a role, codex_runner, that may read and insert and nothing else.
    """
    from runner.ledger.postgres import ddl

    click.echo(ddl(), nl=False)
