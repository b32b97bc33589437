"""`codex-runner approve`: a person lets out what a supervised run has judged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state
from runner.errors import NeedsApprovalError

if TYPE_CHECKING:
    from runner.records.approval import Action


@click.command(epilog="Exit codes: codex-runner --help.  What happened: codex-runner explain")
@click.argument("run", required=False)
@click.argument("digest", required=False)
@click.option(
    "--repository",
    "-C",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="The repository the run began in.",
)
@click.option("--approved", is_flag=True, help="Only if somebody has approved it elsewhere.")
@state_option
@json_option
def command(
    run: str | None,
    digest: str | None,
    repository: Path,
    approved: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """Publish what RUN (default: the latest) has judged and a person has to approve first.

    Without DIGEST it says what would happen and what to type. With the first 12 digits or more of
    the action's digest, typed at a terminal, exactly that is done: this tree, to this remote, under
    this policy, once. With --approved it is done if somebody has approved it on GitHub or through
    the webhook (`codex-runner approvals`).
    """
    from runner import approving
    from runner.cli.ending import tell_end

    home = tidied_state(state)
    if digest is None and not approved:
        raise _told(approving.waiting(run, home), as_json=as_json)
    report, folder = approving.approve(
        run, digest, home, repository, at_terminal=sys.stdin.isatty(), quiet=as_json
    )
    tell_end(report, folder, as_json=as_json)
    sys.exit(report.exit_code)


def _told(action: Action, *, as_json: bool) -> NeedsApprovalError:
    from runner.records.approval import PREFIX
    from runner.report.sanitise import line
    from runner.text import to_json

    digest = action.digest()
    told = {**action.model_dump(mode="json"), "digest": digest}
    if as_json:
        click.echo(to_json(told))
    else:
        click.echo(
            "".join(f"{name:8} {line(str(value), 500)}\n" for name, value in told.items()), nl=False
        )
    return NeedsApprovalError(
        f"run {action.run} waits for a person",
        f"read codex-runner diff {action.run}, "
        f"then: codex-runner approve {action.run} {digest[:PREFIX]}",
    )
