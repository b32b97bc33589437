"""`codex-runner outcomes`: what became of the requests of old runs."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "sync": "Ask the forges, and append what is new to the ledger.",
        "report": "Tell what no forge knows: an incident, an escape, a change taken back.",
    }
)


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.outcomes_")
def command() -> None:
    """Merged, taken back, closed, harmful: what the trust score is made of."""
