"""`codex-runner approvals approve`: allow exactly one action, once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import json_option, repository_option, state_option, tidied_state


@click.command()
@click.argument("request")
@click.argument("digest", required=False)
@repository_option("The repository the run began in, for a publication.")
@state_option
@json_option
def command(
    request: str, digest: str | None, repository: Path, state: Path | None, as_json: bool
) -> None:
    """Allow REQUEST: at a terminal, by the first 12 digits or more of its digest, which are asked
    for after showing it unless DIGEST says them. A publication is published."""
    from runner import approving
    from runner.cli.approvals_show import tell
    from runner.cli.ending import tell_end
    from runner.errors import ConfigError
    from runner.person import this_user
    from runner.text import to_json

    home = tidied_state(state)
    queue = approving.enqueue(home)
    asked, where = queue.find(request)
    if not sys.stdin.isatty():
        raise ConfigError(
            "a person approves at a terminal, and this is none",
            f"type it yourself: codex-runner approvals approve {asked.id}",
        )
    if digest is None:
        tell(asked, where, home)
        digest = click.prompt("first 12 digits of the action", err=True, default="", type=str)
    if asked.kind == "publish":
        report, folder = approving.approve(
            asked.run, digest, home, repository, at_terminal=True, quiet=as_json
        )
        tell_end(report, folder, as_json=as_json)
        sys.exit(report.exit_code)
    approving.require_key(home, at_terminal=True)
    word = queue.resolve(asked.id, "yes", digest, this_user(), "terminal")
    if as_json:
        click.echo(to_json(word.model_dump(mode="json")))
    else:
        click.echo(f"{word.approver} allows {asked.id} once, until {word.expires_at:%T}Z")
