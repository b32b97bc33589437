"""`codex-runner show`: one run told on the terminal, with the standing of its receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.ending import state_words
from runner.cli.findings import tell_findings
from runner.cli.options import json_option, state_option, tidied_state
from runner.vouching import require_vouched

if TYPE_CHECKING:
    from runner.ledger.folder import RunFolder
    from runner.ledger.receipt import Standing
    from runner.records.report import RunReport


@click.command()
@click.argument("run", required=False)
@click.option(
    "--sarif",
    type=click.Path(path_type=Path),
    help="Write the findings to this file, as SARIF 2.1.0.",
)
@click.option("--annotations", is_flag=True, help="Findings as GitHub annotations on stderr.")
@state_option
@json_option
def command(
    run: str | None, sarif: Path | None, annotations: bool, state: Path | None, as_json: bool
) -> None:
    """Tell RUN (an id or its beginning; default: the latest): gates, usage, request, receipt.

    Exit code 1 when the receipt does not vouch for what is told.
    """
    from runner.cli.answered import with_answer
    from runner.ledger.folder import REPORT, find
    from runner.ledger.keyring import local_ring
    from runner.ledger.receipt import examine
    from runner.report.saved import read_report
    from runner.report.terminal import print_report
    from runner.text import to_json

    folder = find(tidied_state(state), run)
    content = folder.read(REPORT)
    if content is None:
        _unfinished(folder, as_json)
        return
    report = read_report(content, f"{REPORT} of run {folder.run}")
    standing = examine(folder, local_ring(folder.state))
    where = state_words(folder.state)
    if as_json:
        click.echo(to_json(_json(folder, report, standing)))
    else:
        print_report(
            with_answer(report, folder.state),
            folder.path,
            _standing(standing) + _open(folder),
            where=where,
        )
    tell_findings(report, sarif, annotations=annotations, where=where)
    require_vouched(folder, standing, "believe nothing of it; run the task again for a new one")


def _json(folder: RunFolder, report: RunReport, standing: Standing) -> dict[str, object]:
    agent = report.plan.agent if report.plan else None
    return {
        "run": folder.run,
        "condition": "sealed",
        "folder": str(folder.path),
        "receipt": {
            "signature": standing.signature,
            "why": standing.why,
            "mismatches": standing.mismatches,
            "recorded": not _open(folder),
        },
        "agent": None if agent is None else agent.told(),
        "report": report.model_dump(mode="json"),
    }


def _unfinished(folder: RunFolder, as_json: bool) -> None:
    from runner.text import to_json

    condition = folder.condition()
    if as_json:
        told = {"run": folder.run, "condition": condition, "folder": str(folder.path)}
        click.echo(to_json({**told, "receipt": {"signature": "absent"}, "report": None}))
    else:
        click.echo(f"{folder.run}: {condition}, no report yet\n  folder    {folder.path}")


def _open(folder: RunFolder) -> str:
    from runner.ledger.recording import UNRECORDED

    why = (folder.read(UNRECORDED) or b"").decode(errors="replace").strip()
    return f"; NOT IN THE LEDGER, its intent is open: {why}" if why else ""


def _standing(standing: Standing) -> str:
    if standing.signature != "valid":
        return f"signature {standing.signature}: {standing.why}"
    if standing.mismatches:
        return f"signature valid, BUT CHANGED SINCE: {', '.join(standing.mismatches)}"
    return "signature valid, report and patch are the signed ones"
