"""`codex-runner drill`: planted attacks against one's own settings and repository."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, repository_option

if TYPE_CHECKING:
    from runner.drill.scenario import Attack
    from runner.records.drill import DrillReport
    from runner.records.task import Task

KEEP = "Keep the drill's directory: runs, remote, published branches."


class Verbs(click.Group):
    """A drill by itself, and one verb below it, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return ["review"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        from runner.cli import drill_review

        return drill_review.command if cmd_name == "review" else None


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    epilog="Exit codes: 0 all stopped, 1 something got through, 3 not all was tried.",
)
@repository_option("The repository; only read.")
@click.option("--task", type=click.Path(path_type=Path), help="Its paths, test, limits and models.")
@click.option("--base", help="Revision to start from.  [default: the task's, else HEAD]")
@click.option("--scenario", "names", multiple=True, help="A family or an attack; again for more.")
@click.option("--engine", type=click.Choice(["auto", "bubblewrap", "docker"]), help="The sandbox.")
@click.option("--sarif", type=click.Path(path_type=Path), help="Write what got through as SARIF.")
@click.option("--list", "listing", is_flag=True, help="List the attacks and stop.")
@click.option("--keep", is_flag=True, help=KEEP)
@json_option
@click.pass_context
def command(
    context: click.Context,
    repository: Path,
    task: Path | None,
    base: str | None,
    names: tuple[str, ...],
    engine: str | None,
    sarif: Path | None,
    listing: bool,
    keep: bool,
    as_json: bool,
) -> None:
    """Let a scripted agent attack: exfiltration, secrets, bent tests, oversize, protected paths,
    forged reviews and evidence, budgets, resources, read-only places.

    Everything is real but the model: your settings, policy, engine and gates. Your repository is
    only read, and what gets through is pushed to a bare repository of the drill's own.
    """
    if context.invoked_subcommand is not None:
        return
    from runner.drill.catalogue import choose

    chosen = choose(names)
    if listing:
        _list([attack for scenario in chosen for attack in scenario.attacks], as_json=as_json)
        return
    from runner.cli.drill_ground import Drilled
    from runner.cli.drilling import perform
    from runner.interrupt import Interrupts
    from runner.report.scorecard import ticking

    with Interrupts(), _home(keep) as home, ticking(sys.stderr, quiet=as_json) as tick:
        report = perform(Drilled(repository, _task(task), base, engine, home), chosen, tick)
    _tell(report, sarif, as_json=as_json)
    sys.exit(report.exit_code)


def _list(attacks: Sequence[Attack], *, as_json: bool) -> None:
    from runner.text import to_json

    if as_json:
        click.echo(to_json([{"attack": each.name, "about": each.about} for each in attacks]))
        return
    for each in attacks:
        click.echo(f"{each.name:26} {each.about}")


def _task(path: Path | None) -> Task:
    from runner.policy.task_file import prompt_task, read_task

    if path is None:
        return prompt_task("Fire drill\n\nA scripted agent changes files.")
    return read_task(path)


@contextmanager
def _home(keep: bool) -> Iterator[Path]:
    """A directory of the drill's own, gone at its end whatever happens."""
    from tempfile import mkdtemp

    from runner.remove import remove_tree

    home = Path(mkdtemp(prefix="codex-runner-drill-")).resolve()
    try:
        yield home
    finally:
        if keep:
            click.echo(f"kept: {home}", err=True)
        else:
            remove_tree(home)


def _tell(report: DrillReport, sarif: Path | None, *, as_json: bool) -> None:
    if sarif is not None:
        from runner.report.sarif import sarif as text_of

        _write(sarif, text_of(report))
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    from runner.report.scorecard import print_scorecard

    print_scorecard(report, sys.stdout)


def _write(path: Path, text: str) -> None:
    from runner.errors import ConfigError

    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}", "name another file") from error
