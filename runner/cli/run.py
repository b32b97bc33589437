"""`codex-runner run`: one task, one sandbox, gates, a branch and a request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.options import json_option, repository_option, state_option
from runner.cli.words import told_words, words_options
from runner.records.task import Task


def _alone(context: click.Context, _option: click.Parameter, given: Path | None) -> Path | None:
    """Raises click.UsageError: --record and --replay together."""
    said = (context.params.get("record"), context.params.get("replay"))
    if given is not None and any(said):
        raise click.UsageError("--record and --replay exclude each other", context)
    return given


@click.command(epilog="Exit codes: codex-runner --help.  What happened: codex-runner show")
@click.argument("task", required=False)
@click.option("--prompt", "-p", help="The task itself, instead of a file.")
@repository_option("The repository to work on.")
@click.option("--base", help="Revision to start from.  [default: the task's, else HEAD]")
@click.option("--allow-dirty", is_flag=True, help="Start from HEAD although files are modified.")
@click.option(
    "--engine",
    type=click.Choice(["auto", "bubblewrap", "docker"]),
    help="The sandbox; auto: docker when it and its image are there, else bubblewrap.",
)
@click.option("--model", help="The author.")
@click.option("--reviewer-model", help="Another model, for the review gate.")
@click.option("--test", help="Command of the tests gate, instead of every other one.")
@click.option(
    "--forge",
    type=click.Choice(["auto", "local", "github"]),
    help="Where the request is opened; auto: GitHub; local: in a file beside the remote.",
)
@words_options
@click.option(
    "--publish/--no-publish",
    default=True,
    help="Push and open the request, or stop after the gates.",
)
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(path_type=Path),
    callback=_alone,
    help="Keep the model's answers in a new directory, for --replay.",
)
@click.option(
    "--replay",
    metavar="DIR",
    type=click.Path(path_type=Path),
    callback=_alone,
    help="Answer from such a directory: no model, no key; nothing is published.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and stop.")
@state_option
@json_option
def command(
    task: str | None,
    prompt: str | None,
    repository: Path,
    base: str | None,
    allow_dirty: bool,
    dry_run: bool,
    publish: bool,
    record: Path | None,
    replay: Path | None,
    as_json: bool,
    **said: Any,
) -> None:
    """Let codex work on TASK, a Markdown file with TOML front matter; `-` reads it from stdin.

    \b
    +++
    title = "Fix the rounding of totals"
    test = "python3 -m unittest"
    paths = ["src/**", "tests/**"]
    +++
    Totals are cut instead of rounded. Make them round half up.

    The key is read from $OPENAI_API_KEY (see `key` in the README) and never enters the sandbox.
    """
    from runner import wiring
    from runner.cli.ending import tell_end

    asked = wiring.Asked(
        task=_read(task, prompt),
        repository=repository,
        base=base,
        allow_dirty=allow_dirty,
        publish=publish,
        record=record,
        replay=replay,
        words=told_words(said),
        settings=_given(said),
    )
    if dry_run:
        click.echo(wiring.dry_run(asked).model_dump_json(indent=2))
        return
    report, folder = wiring.perform(asked, quiet=as_json)
    tell_end(report, folder, as_json=as_json)
    sys.exit(report.exit_code)


def _given(said: dict[str, Any]) -> dict[str, str]:
    """What it says of the settings."""
    return {name: str(value) for name, value in said.items() if value is not None}


def _read(task: str | None, prompt: str | None) -> Task:
    from runner.policy.task_file import MAX_BYTES, parse_task, prompt_task, read_task

    if (task is None) == (prompt is None):
        raise click.UsageError("give one of: TASK (a file, or - for stdin), --prompt TEXT")
    if prompt is not None:
        return prompt_task(prompt)
    if task == "-":
        return parse_task(sys.stdin.buffer.read(MAX_BYTES + 1), "-")
    assert task is not None
    return read_task(Path(task))
