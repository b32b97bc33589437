"""`codex-runner policy replay`: what would change for old runs under another policy."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state
from runner.cli.policy_examples import own_scan
from runner.cli.policy_layers import kind_option, layer_of
from runner.cli.policy_replayed import tell
from runner.errors import ConfigError, NothingToDoError

if TYPE_CHECKING:
    from runner.cli.policy_layers import Kind
    from runner.ledger.folder import RunFolder
    from runner.policy.settings import Settings
    from runner.records.policy import Layer


@click.command(
    epilog="Exit codes: 0 told, 1 a receipt does not vouch, or see --fail-on-change, 7 no runs."
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--all", "every", is_flag=True, help="All runs.")
@click.option("--last", type=click.IntRange(1), help="The newest runs, so many.")
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="A proposed file, in place of all of its kind: organisation, user, repository.",
)
@kind_option
@click.option(
    "--repository",
    "-C",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="Where the runs' base commits are; only read.",
)
@click.option(
    "--fail-on-change",
    is_flag=True,
    help="Exit code 1 when anything would change, or cannot be judged.",
)
@state_option
@json_option
def command(
    runs: tuple[str, ...],
    every: bool,
    last: int | None,
    policy: Path | None,
    kind: Kind | None,
    repository: Path,
    fail_on_change: bool,
    state: Path | None,
    as_json: bool,
) -> None:
    """RUNs (ids or their beginnings; default: the latest) under the policy in force now, or with a
    proposed --policy: which fields are decided otherwise and by whom, and what the gates that need
    no sandbox and no model say of the patch that was kept. What cannot be judged is told as such.

    The repository's policy is the one at the run's base; the task and what the command line said of
    the policy are the run's.
    """
    from runner.policy.settings import load_settings
    from runner.replaying import Under, replay

    settings, proposed = _proposed(load_settings(os.environ), policy, kind)
    place = tidied_state(state)
    chosen = _chosen(place, runs, last, every=every)
    if not chosen:
        raise _nothing(place, as_json=as_json)
    with ExitStack() as stack:
        under = Under(settings, repository, own_scan(stack), proposed)
        told = [replay(folder, under) for folder in chosen]
    tell(told, as_json=as_json)
    sys.exit(
        int(
            any(each.forged or (fail_on_change and (each.changed or each.partial)) for each in told)
        )
    )


def _chosen(
    state: Path, runs: tuple[str, ...], last: int | None, *, every: bool
) -> tuple[RunFolder, ...]:
    from runner.ledger.folder import find, folders

    if sum((bool(runs), every, last is not None)) > 1:
        raise ConfigError("RUN, --all and --last are three ways to say which", "give one of them")
    if not runs:
        return folders(state)[: None if every else last or 1]
    return tuple(find(state, prefix) for prefix in runs)


def _nothing(state: Path, *, as_json: bool) -> NothingToDoError:
    """No run is no proof that nothing would change: a check of it must not pass."""
    if as_json:
        tell([], as_json=True)
    return NothingToDoError(
        f"nothing to replay: there are no runs in {state}", "name the state that has them: --state"
    )


def _proposed(
    settings: Settings, policy: Path | None, kind: Kind | None
) -> tuple[Settings, Layer | None]:
    """The operator's layers with the file among them; or the file, where it is a repository's."""
    from runner.policy.codex_requirements import ETC

    if policy is None:
        return settings, None
    layer = layer_of(policy, kind)
    if layer.name == "task":
        raise ConfigError(f"{policy}: a run keeps its own task", "propose a policy file")
    if layer.name == "repository":
        return settings, layer
    kept = (
        each
        for each in settings.layers
        if each.name != layer.name or each.source.startswith(f"{ETC}/")
    )
    return settings.model_copy(update={"layers": (layer, *kept)}), None
