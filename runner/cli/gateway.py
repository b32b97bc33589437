"""`codex-runner gateway`: the execution gate for agents that no run of ours holds."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "serve": "Decide on what agents propose, with a receipt for each decision.",
        "token": "A credential for an agent over TCP, an approver or an administrator.",
    }
)


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.gateway_")
def command() -> None:
    """Agents propose, the gate decides, and only ALLOW may be executed."""
