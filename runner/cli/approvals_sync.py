"""`codex-runner approvals sync`: the words that people gave on GitHub."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

from runner.cli.options import json_option, state_option, tidied_state

_PULL = re.compile(r"refs/pull/([0-9]+)/")


@click.command()
@click.option("--pull", type=int, help="Of the pull request.  [default: $GITHUB_REF's]")
@click.option("--workflow-run", type=int, help="Of its environments.  [default: $GITHUB_RUN_ID]")
@state_option
@json_option
def command(pull: int | None, workflow_run: int | None, state: Path | None, as_json: bool) -> None:
    """Takes reviews of a pull request, and approvals of an environment, that name an action:
    `codex-runner approve DIGEST` in their text, on exactly the commit that the run began from, by
    somebody other than its author. Then: `codex-runner approve RUN --approved`."""
    from runner import approving
    from runner.report.sanitise import line
    from runner.text import to_json

    found = _PULL.match(os.environ.get("GITHUB_REF", ""))
    number = pull if pull is not None or found is None else int(found[1])
    told = os.environ.get("GITHUB_RUN_ID", "")
    here = workflow_run if workflow_run is not None or not told.isdigit() else int(told)
    taken = approving.sync(tidied_state(state), number, here)
    rows = [
        {"request": each.request, "login": each.review.login, "counts": not each.why}
        | {"state": each.review.state, "why": each.why}
        for each in taken
    ]
    if as_json:
        click.echo(to_json(rows))
    for row in () if as_json else rows:
        why = f": {row['why']}" if row["why"] else ""
        counts = "counts" if row["counts"] else "does not count"
        click.echo(line(f"{row['request']}: {row['login']} {row['state']}, {counts}{why}", 500))
    if not rows:
        click.echo("nobody has named an action that waits", err=True)
