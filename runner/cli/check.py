"""`codex-runner check`: the gates alone, on the branch that is checked out or on a patch file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.options import json_option, repository_option, state_option
from runner.cli.words import told_words, words_options


@click.command(epilog="Exit codes: 0 passed, 1 refused, 7 nothing to judge; codex-runner --help.")
@click.argument("patch", required=False, type=click.Path(path_type=Path))
@repository_option("The repository.")
@click.option(
    "--base",
    help="What HEAD is compared with from where they parted, or what PATCH is made against."
    "  [default: the remote's default branch; for PATCH HEAD]",
)
@click.option("--task", type=click.Path(path_type=Path), help="The task the change was made for.")
@words_options
@click.option("--test", help="Command of the tests gate, instead of every other one.")
@click.option("--tests/--no-tests", default=True, help="Run the gate tests, or leave it out.")
@click.option("--review/--no-review", default=True, help="Ask the reviewer, or leave the gate out.")
@click.option("--reviewer-model", help="Another model, for the review gate.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "bubblewrap", "docker"]),
    help="The sandbox of tests and review.",
)
@click.option("--allow-dirty", is_flag=True, help="Judge HEAD although files are modified.")
@click.option(
    "--sarif",
    type=click.Path(path_type=Path),
    help="Write the findings to this file, as SARIF 2.1.0.",
)
@click.option(
    "--annotations/--no-annotations",
    default=None,
    help="Findings as GitHub annotations on stderr.  [default: in GitHub Actions]",
)
@state_option
@json_option
def command(
    patch: Path | None,
    repository: Path,
    base: str | None,
    task: Path | None,
    tests: bool,
    review: bool,
    allow_dirty: bool,
    sarif: Path | None,
    annotations: bool | None,
    state: Path | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Judge what HEAD has beyond its --base, or what the file PATCH would change. No agent works.

    The policy is that of a run; what is not committed is not judged. Nothing of the repository's
    configuration, hooks or filters is run, and neither its files nor its refs are touched.
    """
    from runner import checking
    from runner.cli.ending import state_words, tell_end
    from runner.cli.findings import tell_findings
    from runner.policy.task_file import read_task

    words = told_words(said)
    every = {**said, "state": None if state is None else str(state)}
    wanted = checking.Wanted(
        repository=repository,
        base=base,
        patch=patch,
        task=None if task is None else read_task(task),
        allow_dirty=allow_dirty,
        tests=tests,
        review=review,
        words=words,
        settings={name: value for name, value in every.items() if value is not None},
    )
    report, folder = checking.check(wanted, quiet=as_json)
    tell_end(report, folder, as_json=as_json)
    if annotations is None:
        annotations = os.environ.get("GITHUB_ACTIONS") == "true"
    tell_findings(report, sarif, annotations=annotations, where=state_words(folder.state))
    sys.exit(report.exit_code)
