"""`codex-runner doctor`: what this machine and these settings really guarantee."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import json_option, repository_option, state_option


@click.command()
@click.option(
    "--engine",
    type=click.Choice(["auto", "bubblewrap", "docker"]),
    help="Look at this engine only.  [default: all; the settings say which one must hold]",
)
@repository_option("The repository whose target branch is looked at.")
@state_option
@json_option
def command(engine: str | None, repository: Path, state: Path | None, as_json: bool) -> None:
    """Try every guarantee of every engine, from inside a sandbox, and ten points of readiness.

    Nothing remembered is believed. Exit code 0 only when all that the settings require was tried
    and held, else 3.
    """
    from runner.doctor import Asked, diagnose
    from runner.errors import InfraError
    from runner.report.doctor import print_diagnosis, working
    from runner.text import to_json

    given = {"engine": engine, "state": None if state is None else str(state)}
    layer = {name: value for name, value in given.items() if value is not None}
    with working(quiet=as_json) as say:
        diagnosis = diagnose(Asked(repository, layer, say))
    if as_json:
        click.echo(to_json(diagnosis.model_dump(mode="json")))
    else:
        print_diagnosis(diagnosis)
    if diagnosis.problems:
        first, *others = diagnosis.problems
        more = f" (and {len(others)} more)" if others else ""
        raise InfraError(f"{first.problem}{more}", first.remedy)
