"""A run's findings for machines: a SARIF file, annotations of a workflow."""

from __future__ import annotations

from pathlib import Path

import click

from runner.errors import ConfigError
from runner.records.report import RunReport


def tell_findings(
    report: RunReport, sarif: Path | None, *, annotations: bool, where: str = ""
) -> None:
    """Annotations go to stderr, where GitHub hears them too: stdout may be JSON.

    `where`: as `runner.report.annotations` has it.

    Raises:
        ConfigError: the file cannot be written.
    """
    if sarif is not None:
        from runner.report.sarif import run_sarif

        try:
            sarif.write_text(run_sarif(report))
        except OSError as error:
            raise ConfigError(f"cannot write {sarif}: {error.strerror}", "name another") from error
    if annotations:
        from runner.report.annotations import commands

        for row in commands(report, where):
            click.echo(row, err=True)
