"""`codex-runner approvals show`: one request, as the machine knows it."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state

if TYPE_CHECKING:
    from runner.approvals.standing import State
    from runner.records.approval import ApprovalRequest

VALUE = 66
"""Characters of a value; longer ones would be wrapped, and go on like rows of ours."""
ABOUT = ("id", "kind", "action", "run", "level", "policy", "asker", "risk", "approvers")


@click.command()
@click.argument("request")
@state_option
@json_option
def command(request: str, state: Path | None, as_json: bool) -> None:
    """REQUEST (or the beginning of its id): the command or the diff that would be allowed, and the
    digest to type. Nothing of it is what the agent says about it."""
    from runner import approving
    from runner.cli.approvals_advice import advice_json
    from runner.text import to_json

    home = tidied_state(state)
    queue = approving.enqueue(home)
    asked, where = queue.find(request)
    if as_json:
        advice = advice_json(queue, asked)
        click.echo(to_json({**asked.model_dump(mode="json"), "state": where, **advice}))
        return
    tell(asked, where, home)


def tell(asked: ApprovalRequest, where: State, home: Path) -> None:
    """Everything a person needs to decide."""
    from runner.approvals.queue import how
    from runner.approving import queue_at
    from runner.cli.approvals_advice import advice_rows
    from runner.cli.ending import state_words
    from runner.report.sanitise import framed, line
    from runner.report.terminal import write_rows

    told = {name: getattr(asked, name) for name in ABOUT}
    told |= {"until": f"{asked.expires_at:%F %T}Z", "state": where}
    rows = [f"{name:9} {line(str(value), VALUE)}" for name, value in told.items() if value]
    for text in (*advice_rows(queue_at(home), asked), _content(asked, home)):
        rows += ["", *framed(text, get_terminal_size().columns)]
    rows += [""]
    if where == "waiting":
        deny = f"codex-runner approvals deny {asked.id}{state_words(home)} --reason WHY"
        rows += [f"approve:  {how(asked)}{state_words(home)}", f"deny:     {deny}"]
    write_rows([(row, "") for row in rows], sys.stdout)


def _content(asked: ApprovalRequest, home: Path) -> str:
    """The command, exactly; or the diff that the run's receipt vouches for, and where it goes."""
    import json

    from runner.ledger.folder import PATCH, find
    from runner.text import exact
    from runner.vouching import vouched_report

    action = json.loads(asked.content)
    if asked.kind == "command":
        return f"{exact(json.dumps(action['tools']))}\n{exact(action['code'])}"
    folder = find(home, asked.run)
    vouched_report(folder)
    diff = (folder.read(PATCH) or b"").decode(errors="backslashreplace")
    return f"tree {action['tree']} to {action['remote']} for {action['target']}:\n{diff}"
