"""`codex-runner diff`: the patch a run kept."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from runner.cli.options import json_option, state_option, tidied_state, write_bytes

_STYLES = {"+": "green", "-": "red", "@": "cyan", "d": "bold"}


@click.command()
@click.argument("run", required=False)
@state_option
@json_option
def command(run: str | None, state: Path | None, as_json: bool) -> None:
    """The patch RUN (default: the latest) kept: exact bytes in a pipe, coloured on a terminal.

    `codex-runner diff | git apply` works; `codex-runner apply` checks the receipt as well.
    """
    from runner.ledger.folder import PATCH, REPORT, find
    from runner.report.saved import read_report
    from runner.text import to_json

    folder = find(tidied_state(state), run)
    if as_json:
        content = folder.read(REPORT)
        report = None if content is None else read_report(content, REPORT)
        patch = report.patch if report else None
        click.echo(to_json({"run": folder.run, "patch": patch and patch.model_dump(mode="json")}))
        return
    with folder.open(PATCH) as file:
        if sys.stdout.isatty():
            _show(file.read().decode(errors="backslashreplace"))
        else:
            write_bytes(file.read())


def _show(diff: str) -> None:
    from runner.report.sanitise import log_text
    from runner.report.terminal import write_rows

    shown = log_text(diff, lines=sys.maxsize, limit=sys.maxsize).rstrip("\n").split("\n")
    write_rows([(row, _STYLES.get(row[:1], "")) for row in shown], sys.stdout)
