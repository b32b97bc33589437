"""`codex-runner init`: a starter policy, an example task and a workflow, for this repository."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.starter.choose import Outcome
    from runner.starter.draft import Draft
    from runner.starter.look import Found
    from runner.starter.tree import Read
    from runner.workspace.repository import Repository


@click.command()
@click.option(
    "--repository",
    "-C",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default="here",
    help="The repository; the files go to the top of its work tree.",
)
@click.option("--yes", "-y", is_flag=True, help="Write new files without asking.")
@click.option("--force", is_flag=True, help="With --yes: replace files that are there, too.")
@click.option("--print", "only_print", is_flag=True, help="Only show what would be written.")
@click.option(
    "--workflow/--no-workflow",
    default=None,
    help="Write a workflow for GitHub Actions.  [default: if CI or remote are GitHub's]",
)
@json_option
def command(
    repository: Path, yes: bool, force: bool, only_print: bool, workflow: bool | None, as_json: bool
) -> None:
    """Write a commented policy, an example task and a workflow, after a look at the repository.

    The look is at names and small files of the work tree; nothing of it is run, no network is used.
    Every file is shown as a diff, then you are asked. A file that is there already is replaced only
    after a yes of its own, or with --yes --force if its content is committed.

    Without --yes and without a terminal to ask at (or with --json) nothing is written; the exit
    code is then 2, unless there is nothing to write.
    """
    from runner.policy.files import read_bounded
    from runner.starter.choose import WRITTEN, choose
    from runner.starter.look import look
    from runner.starter.told import found_lines
    from runner.starter.tree import Tree

    if force and (only_print or not yes):
        raise click.UsageError("--force goes with --yes; without it you are asked")
    read = partial(read_bounded, follow=False)
    place, on_github = _repository(repository)
    found = look(Tree(place.root, read), on_github=on_github)
    drafts = _drafts(place.root, found, read, found.github if workflow is None else workflow)
    if not as_json:
        click.echo("".join(f"{row}\n" for row in found_lines(found)))
        click.echo("".join(each.diff() for each in drafts), nl=False)
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    ask = _ask if can_ask and not (yes or only_print or as_json) else None
    outcome = choose(drafts, partial(_committed, place), yes=yes, force=force, ask=ask)
    for each in drafts:
        if outcome[each.path] in WRITTEN:
            each.write(read)
    _end(place.root, found, outcome, on_github, as_json)
    if not (yes or only_print or ask) and any(each.state != "same" for each in drafts):
        raise ConfigError(
            "nothing was written: there is nobody to ask",
            "--yes to write the new files, or --print to only look at them",
        )


def _ask(question: str, default: bool) -> bool:
    return click.confirm(question, default=default, err=True)


def _repository(path: Path) -> tuple[Repository, bool]:
    """It, and whether its remote is on GitHub."""
    import os

    from runner.policy.remote import choose_forge
    from runner.policy.settings import load_settings
    from runner.workspace.repository import find

    place = find(path)
    if place.bare:
        raise ConfigError(f"{place.root} has no work tree", "name a checkout of it: -C DIR")
    url = load_settings(os.environ).github_url
    try:
        return place, place.remote is not None and bool(choose_forge(place.remote, "github", url))
    except ConfigError:
        return place, False


def _drafts(root: Path, found: Found, read: Read, workflow: bool) -> list[Draft]:
    """The policy, wherever it is already, the task, and maybe the workflow."""
    from runner.policy.repo_policy import LOCATIONS
    from runner.starter import policy_text, task_text, workflow_text
    from runner.starter.draft import draft

    policy = next((name for name in LOCATIONS if (root / name).exists()), LOCATIONS[0])
    texts = {
        policy: policy_text.policy_text(found),
        task_text.PATH: task_text.task_text(found),
        **({workflow_text.PATH: workflow_text.TEXT} if workflow else {}),
    }
    return [draft(root, path, text, read) for path, text in texts.items()]


def _committed(place: Repository, each: Draft) -> bool:
    """Whether HEAD has what is there, whatever its line ends are."""
    blob = place.git.ask("cat-file", "blob", f"HEAD:{each.path}")
    there = (each.old or b"").replace(b"\r\n", b"\n")
    return not blob.code and blob.stdout.replace(b"\r\n", b"\n") == there


def _end(
    root: Path, found: Found, outcome: Mapping[str, Outcome], on_github: bool, as_json: bool
) -> None:
    """What became of every file, and how to go on."""
    from shlex import quote

    from runner.starter.told import found_values, next_steps
    from runner.text import line, to_json

    made = "not created" not in outcome.values()
    steps = list(next_steps(found, outcome, on_github=on_github)) if made else []
    way = f"cd {quote(str(root))}"
    if made and root != Path.cwd() and way == line(way):  # else it would not lead there
        steps.insert(0, way)
    if as_json:
        files = [{"path": path, "outcome": became} for path, became in outcome.items()]
        told = {"repository": str(root), "found": found_values(found), "files": files}
        click.echo(to_json({**told, "next": steps}))
        return
    click.echo("".join(f"{became:12} {path}\n" for path, became in outcome.items()), nl=False)
    if made:
        click.echo("".join(f"{row}\n" for row in ("\nnext:", *(f"  {s}" for s in steps))), nl=False)
