"""`codex-runner explain`: in plain words why a run ended so, and what would have to change."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli.ending import state_words
from runner.cli.options import json_option, state_option, tidied_state
from runner.errors import ConfigError
from runner.vouching import require_vouched


@click.command()
@click.argument("run", required=False)
@state_option
@json_option
def command(run: str | None, state: Path | None, as_json: bool) -> None:
    """What RUN (default: the latest) was asked, what happened, and for each refusal: why, by which
    rule of whom, what has to change so that it passes, and who may change it.

    Exit code 1 when the receipt does not vouch for what is told.
    """
    from runner.cli.answered import with_answer
    from runner.ledger.folder import REPORT, find
    from runner.ledger.keyring import local_ring
    from runner.ledger.receipt import examine
    from runner.report.explain import explain, rows
    from runner.report.saved import read_report
    from runner.report.terminal import write_rows
    from runner.text import to_json

    folder = find(tidied_state(state), run)
    content = folder.read(REPORT)
    if content is None:
        raise ConfigError(
            f"run {folder.run} is {folder.condition()}: there is no report yet",
            f"wait for its end, then: codex-runner explain {folder.run}{state_words(folder.state)}",
        )
    report = read_report(content, f"{REPORT} of run {folder.run}")
    told = explain(with_answer(report, folder.state), state_words(folder.state))
    standing = examine(folder, local_ring(folder.state))
    if as_json:
        click.echo(to_json({**asdict(told), "vouched": standing.good}))
    else:
        write_rows(list(rows(told)), sys.stdout)
    require_vouched(folder, standing, "believe nothing of it; run the task again for a new one")
