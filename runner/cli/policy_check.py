"""`codex-runner policy check`: whether policy and task files are right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.policy_examples import own_failures
from runner.cli.policy_layers import kind_option, layer_of
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.records.merge import LayerName


@click.command(epilog="Exit codes: 0 all are right, 1 an example does not hold, 2 a file is wrong.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@kind_option
def command(files: tuple[Path, ...], kind: LayerName | None) -> None:
    """Read each of FILES as a run would: `requirements.toml` of an organisation, `config.toml` of
    a user, `.codex-runner.toml` of a repository, a task in Markdown.

    What is wrong is told with file, line and key, its own [[examples]] that do not hold included
    (see `codex-runner policy test`). Nothing is run and nothing is changed.
    """
    from runner.text import visible

    wrong = 0
    for path in files:
        try:
            layer = layer_of(path, kind)
            failures = [*own_failures(layer, path.parent)]
        except ConfigError as error:
            wrong = error.exit_code
            click.echo("\n".join(error.lines()), err=True)
        else:
            wrong = wrong or int(bool(failures))
            for row in failures:
                click.echo(visible(row), err=True)
            pins = f", {len(layer.pins)} pinned" if layer.pins else ""
            tried = f", {len(layer.examples)} examples" if layer.examples else ""
            told = f"{layer.name}, {len(layer.values)} fields{pins}{tried}"
            click.echo(f"{'failed' if failures else 'ok'}: {layer.source}: {told}")
    sys.exit(wrong)
