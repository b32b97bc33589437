"""`codex-runner policy schema`: JSON Schema of a policy file, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from runner.cli.policy_layers import KINDS

if TYPE_CHECKING:
    from runner.records.merge import LayerName


@click.command()
@click.argument("kind", type=click.Choice(KINDS), default="organisation")
def command(kind: LayerName) -> None:
    """JSON Schema (2020-12) of one kind of file: its keys, their types and ranges.

    Of an organisation's unless another is named. What else has to hold is told by
    `codex-runner policy check`.
    """
    from runner.policy.schema import schema
    from runner.text import to_json

    click.echo(to_json(schema(kind)))
