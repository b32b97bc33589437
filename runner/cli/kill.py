"""`codex-runner kill`: stops what runs, keeps it stopped, and proves it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import click

from runner.cli.options import json_option, resolve_state, state_option
from runner.cli.verbs import Verbs

if TYPE_CHECKING:
    from runner.records.kill import Scope

VERBS = MappingProxyType(
    {"list": "What is stopped, why, and by whom.", "lift": "End a kill, with an approver's key."}
)


@click.group(
    cls=Verbs,
    verbs=VERBS,
    modules="runner.cli.kill_",
    invoke_without_command=True,
    epilog="Exit codes: 0 seen dead, 3 something is left; codex-runner --help.",
)
@click.option("--run", help="A run, or the beginning of its id.")
@click.option("--agent", help="All runs and requests of an agent: ag_...")
@click.option("--repo", help="All runs on a repository: a path, or the URL of a remote.")
@click.option("--key", help="All that this key of the gate signs for.")
@click.option("--policy", help="All that is decided by the policy with this digest.")
@click.option("--all", "everything", is_flag=True, help="Everything of this state directory.")
@click.option("--reason", help="Told to whoever is stopped, and kept.")
@click.option("--drill", is_flag=True, help="Kill a run made for it, and measure; with --engine.")
@click.option("--engine", type=click.Choice(["bubblewrap", "docker"]), help="Of the drill.")
@state_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    /,
    everything: bool,
    reason: str | None,
    drill: bool,
    engine: str | None,
    state: Path | None,
    as_json: bool,
    **scopes: str | None,
) -> None:
    """Stop runs and requests now, and keep them from going on until an approver lifts it.

    The kill is in force first; then it is put into the ledger, running runs are seen dead, and a
    runner that hangs is killed. New runs are refused, and so is every request to the gate.
    """
    if context.invoked_subcommand is not None:
        return
    if drill:
        from runner.cli import kill_drill

        sys.exit(kill_drill.perform(engine or "bubblewrap", as_json=as_json))
    asked = {**scopes, "all": "" if everything else None}
    given = [(scope, subject) for scope, subject in asked.items() if subject is not None]
    if len(given) != 1:
        raise click.UsageError("name one of --run, --agent, --repo, --key, --policy, --all")
    if reason is None:
        raise click.UsageError("say why: --reason TEXT")
    from runner.cli import kill_now

    ((scope, subject),) = given
    sys.exit(
        kill_now.perform(
            resolve_state(state), cast("Scope", scope), subject, reason, as_json=as_json
        )
    )
