"""How a run's end is told by the verbs that make one."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path

import click

from runner.errors import ConfigError
from runner.ledger.folder import RunFolder
from runner.records.report import RunReport

_RUN = "[0-9]{8}-[0-9]{6}-[0-9a-f]{6}"
_COMMAND = re.compile(
    rf"codex-runner (?:[a-z]+ {_RUN}|(?:list|logs|sweep|kill list)\b(?! {_RUN})"
    r"|kill lift [0-9a-f]{16}|approvals (?:list|(?:show|approve) ap_[0-9a-f]{16})"
    r"|keys (?:list --restore|list|(?:create|rotate) [a-z]+)|outcomes sync|trust\b(?! promote)"
    r"|ledger checkpoint|gateway serve)(?! --state)"
)


def tell_end(report: RunReport, folder: RunFolder, *, as_json: bool) -> None:
    """The summary on stdout (or the report as JSON), the two lines of a problem on stderr."""
    if as_json:
        click.echo(report.model_dump_json(indent=2))
        return
    from runner.report.terminal import print_report

    where = state_words(folder.state)
    print_report(report.model_copy(update={"problem": None}), folder.path, where=where)
    if report.problem is not None:
        from runner.report.sanitise import line

        remedy = line(placed(report.problem.remedy, where), 1000)
        problem = line(report.problem.problem, 2000)
        click.echo(f"error: {problem}\ntry: {remedy}", err=True)


def placed(remedy: str, where: str) -> str:
    """With the words of `state_words` behind every command that looks at runs."""
    return _COMMAND.sub(lambda found: f"{found[0]}{where}", remedy)


def state_words(state: Path) -> str:
    """What a command that looks at runs has to say besides: ` --state DIR`, unless it is the one
    that is looked at anyway.
    """
    from runner.policy.settings import find_state

    with suppress(ConfigError):
        if find_state(os.environ).resolve() == state.resolve():
            return ""
    return f" --state {shlex.quote(str(state))}"
