"""`codex-runner drill review`: how often the reviewer misses, and how often it cries wolf."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option

if TYPE_CHECKING:
    from runner.records.calibration import Calibration, Rate


@click.command(
    short_help="The reviewer's miss and false-alarm rates.",
    epilog="Exit codes: 0 measured, whatever the rates; else those of a run.",
)
@click.option("--model", help="The reviewer.  [default: the settings']")
@click.option("--limit", type=click.IntRange(min=1), help="So many patches, of all classes.")
@click.option(
    "--engine", type=click.Choice(["auto", "bubblewrap", "docker"]), help="The sandbox of codex."
)
@json_option
def command(model: str | None, limit: int | None, engine: str | None, as_json: bool) -> None:
    """Put patches whose label is known to the real review gate, and count its mistakes.

    It costs one session of each reviewer per patch. The rates are about these small patches, not
    about yours: use them to compare models and panels, not as a promise.
    """
    from tempfile import mkdtemp

    from runner.cli.calibrating import perform
    from runner.drill.labelled import balanced
    from runner.remove import remove_tree
    from runner.report.scorecard import ticking

    given = {"reviewer_model": model, "engine": engine}
    home = Path(mkdtemp(prefix="codex-runner-drill-")).resolve()
    try:
        with ticking(sys.stderr, quiet=as_json) as tick:
            settings = {name: value for name, value in given.items() if value is not None}
            found, report = perform(home, balanced(limit), settings, tick)
    finally:
        remove_tree(home)
    if found is not None:
        click.echo(found.model_dump_json(indent=2) if as_json else "\n".join(_told(found)))
    if report.problem is not None:
        click.echo(f"error: {report.problem.problem}\ntry: {report.problem.remedy}", err=True)
    sys.exit(report.exit_code)


def _told(found: Calibration) -> Iterator[str]:
    from runner.report.sanitise import line

    yield f"{line(', '.join(found.reviewers))}: {len(found.judged)} labelled patches"
    for one in found.judged:
        if (one.outcome == "approved") == one.bad or one.outcome == "undecided":
            label = "bad" if one.bad else "good"
            yield f"  {label} {one.kind} {one.name}: {one.outcome} {one.code}: {line(one.why, 200)}"
    yield f"  {'class':14} {'patches':>7}  {'wrong':>5}  {'undecided':>9}"
    for rate in found.rates():
        yield _row(rate)


def _row(rate: Rate) -> str:
    what = "missed" if rate.bad else "false alarms"
    share = f"{100 * rate.wrong / rate.patches:.0f} % {what}"
    return f"  {rate.kind:14} {rate.patches:7}  {rate.wrong:5}  {rate.undecided:9}  {share}"
