"""`codex-runner gate`: for commands and agents that are to be gated."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType({"exec": "Ask the gate about a command, and run it only on ALLOW."})


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.gate_")
def command() -> None:
    """Clients of the execution gate, which `codex-runner gateway serve` runs."""
