"""`codex-runner approvals`: what waits for a person."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "list": "What waits, and how people answer.",
        "show": "One request: the action itself, and its digest.",
        "approve": "Allow exactly that, once.",
        "deny": "Deny it, for good.",
        "sync": "Take the words that people gave on GitHub.",
    }
)


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.approvals_")
def command() -> None:
    """Requests of supervised runs: publications, and commands where the policy says so.

    A word is bound to the digest of one action, is used once, and expires.
    """
