"""`codex-runner policy`: what holds here, and why."""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType

import click

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


class Verbs(click.Group):
    """Verbs that are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"runner.cli.policy_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs)
def command() -> None:
    """Layers of policy: built-in, organisation, user, repository (at the base commit), task.

    Limits only tighten from layer to layer; what the organisation pins nobody changes.
    """
