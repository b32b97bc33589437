"""How a run's end is told by the verbs that make one."""

from __future__ import annotations

import click

from runner.ledger.folder import RunFolder
from runner.records.report import RunReport


def tell_end(report: RunReport, folder: RunFolder, *, as_json: bool) -> None:
    """The summary on stdout (or the report as JSON), the two lines of a problem on stderr."""
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    from runner.report.terminal import print_report

    print_report(report.model_copy(update={"problem": None}), folder.path)
    if report.problem is not None:
        from runner.report.sanitise import line

        problem, remedy = line(report.problem.problem, 2000), line(report.problem.remedy, 500)
        click.echo(f"error: {problem}\ntry: {remedy}", err=True)
