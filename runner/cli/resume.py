"""`codex-runner resume`: go on with a run that a limit, a stop or a failure ended."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import json_option, repository_option, state_option, tidied_state


@click.command(epilog="Exit codes: codex-runner --help.  What happened: codex-runner explain")
@click.argument("run", required=False)
@repository_option("The repository the run began in.")
@click.option(
    "--publish/--no-publish",
    default=True,
    help="Push and open the request if the run was to, or stop after the gates.",
)
@state_option
@json_option
def command(
    run: str | None, repository: Path, publish: bool, state: Path | None, as_json: bool
) -> None:
    """Go on with RUN (default: the latest): same base, task and plan, from the patch it kept.

    Its agent gets a new session with what is left of requests, tokens and time; if it had ended
    its work, the gates go on. The policy is today's. It is a new run, with a receipt of its own.
    """
    from runner import resuming
    from runner.cli.ending import tell_end

    home = tidied_state(state)
    report, folder = resuming.resume(run, home, repository, publish=publish, quiet=as_json)
    tell_end(report, folder, as_json=as_json)
    sys.exit(report.exit_code)
