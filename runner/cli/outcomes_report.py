"""`codex-runner outcomes report`: a person's word of what became of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from runner.cli.address import ledger_address
from runner.cli.options import json_option, state_option, tidied_state

if TYPE_CHECKING:
    from runner.records.trust import OutcomeKind

EPILOG = """\b
  incident  what it published did harm
  escape    it got out of its sandbox, or reached what it must not
  reverted  its change was taken back by hand
\b
An incident or an escape bounds the agent's level at once, whatever else holds, until its window
ends: codex-runner trust. Needs the verifier's key: codex-runner keys create verifier
"""


@click.command(epilog=EPILOG)
@click.argument("run")
@click.option("--kind", type=click.Choice(["incident", "escape", "reverted"]), required=True)
@click.option("--reason", required=True, help="What happened; kept with your word.")
@state_option
@json_option
def command(run: str, kind: str, reason: str, state: Path | None, as_json: bool) -> None:
    """Tell of RUN (or the beginning of its id) what no forge knows.

    It is appended once for each kind, signed with the verifier's key; telling it again changes
    nothing.
    """
    from runner.cli.ending import state_words
    from runner.faulting import fault
    from runner.ledger.folder import find
    from runner.ledger.keys import local_signer
    from runner.ledger.ledger import LEDGER, open_ledger
    from runner.live import exclusive
    from runner.text import to_json

    home = tidied_state(state)
    folder = find(home, run)
    local_signer(home, "verifier")  # before anything is opened: says how to make one
    with (
        open_ledger(home, address=ledger_address(home)) as ledger,
        exclusive(home / LEDGER / ".syncing"),
    ):
        agent, receipt, new = fault(folder, ledger, cast("OutcomeKind", kind), reason)
    if as_json:
        told = {"run": folder.run, "agent": agent, "kind": kind, "receipt": receipt, "new": new}
        click.echo(to_json(told))
        return
    how = "on record" if new else "on record already, and nothing was added"
    click.echo(f"{kind} of run {folder.run}: {how}: receipt {receipt}")
    click.echo(f"what it does to {agent}: codex-runner trust {agent}{state_words(home)}")
