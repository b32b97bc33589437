"""`codex-runner policy`: what holds here, and why."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "show": "Every value that holds, and the layer that set it.",
        "explain": "Who decided a field, and who did not get what they asked for.",
        "check": "Whether policy and task files are right.",
        "diff": "What one policy file has tighter, and looser, than another.",
        "rules": "What the command rules say of a command.",
        "test": "Whether a policy decides what its examples say.",
        "replay": "What would change for old runs under the policy in force, or a proposed one.",
        "schema": "JSON Schema of a policy file, for editors.",
    }
)


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.policy_")
def command() -> None:
    """Layers of policy: built-in, organisation, user, repository (at the base commit), task,
    command line.

    Limits only tighten from layer to layer; what the organisation pins nobody changes.
    """
