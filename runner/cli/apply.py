"""`codex-runner apply`: a kept patch into a checkout, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option, tidied_state
from runner.errors import ConfigError
from runner.vouching import require_vouched

if TYPE_CHECKING:
    from runner.ledger.folder import RunFolder
    from runner.process import Completed
    from runner.records.report import RunReport

# No hook or monitor that the checkout's configuration may name is to run.
_GIT = ("git", "--no-pager", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
}


@click.command()
@click.argument("run", required=False)
@click.option("--check", is_flag=True, help="Only say whether it would apply.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The checkout.  [default: .]",
)
@state_option
@json_option
def command(
    run: str | None, check: bool, directory: Path, state: Path | None, as_json: bool
) -> None:
    """Apply the patch RUN (default: the latest) kept to a checkout, and stage it.

    The patch must be the one the receipt signs. Files it touches must not have changes of yours.
    """
    from runner.ledger.folder import find
    from runner.text import to_json

    folder = find(tidied_state(state), run)
    report, patch = _verified(folder)
    top, head = _checkout(directory)
    base = report.patch.base_commit if report.patch else None
    note = "" if head == base else f"; made on {base}, but the checkout is at {head}"
    done = _apply(top, patch, "--check")
    already = done.code != 0 and _apply(top, patch, "--check", "--reverse").code == 0
    if not check and not done.code:
        done = _apply(top, patch)
    if done.code and not already:
        raise _conflict(folder, top, done, note)
    if as_json:
        told = {
            "run": folder.run,
            "conclusion": report.conclusion,
            "directory": str(top),
            "applied": not check and not already,
            "already_applied": already,
            "base_matches": head == base,
            "files": [change.path for change in report.patch.changes] if report.patch else [],
        }
        click.echo(to_json(told))
    else:
        verb = "would apply to" if check else "applied to and staged in"
        verb = "is already applied to" if already else verb
        click.echo(f"{folder.run} ({report.conclusion}): {verb} {top}{note}")


def _apply(top: Path, patch: bytes, *options: str) -> Completed:
    return _git(top, "apply", "--index", "--whitespace=nowarn", *options, "-", stdin=patch)


def _verified(folder: RunFolder) -> tuple[RunReport, bytes]:
    """The report and the patch, both as signed."""
    from runner.ledger.folder import PATCH, REPORT
    from runner.ledger.keyring import local_ring
    from runner.ledger.receipt import examine
    from runner.report.saved import read_report

    patch = folder.read(PATCH)
    if not patch:
        raise ConfigError(f"run {folder.run} kept no patch", f"codex-runner show {folder.run}")
    remedy = f"look at it with `codex-runner show {folder.run}`; nothing was applied"
    require_vouched(folder, examine(folder, local_ring(folder.state)), remedy)
    return read_report(folder.read(REPORT) or b"", REPORT), patch


def _checkout(directory: Path) -> tuple[Path, str]:
    """Top directory and HEAD. `git apply` below the top would silently leave paths out."""
    if not directory.is_dir():
        raise ConfigError(f"{directory} is not a directory", "give a checkout with --directory")
    top = _git(directory.absolute(), "rev-parse", "--show-toplevel")
    if top.code:
        raise ConfigError(f"{directory} is not a git checkout: {top.error()}", "give --directory")
    path = Path(os.fsdecode(top.stdout.removesuffix(b"\n")))
    head = _git(path, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    return path, head.text() or "no commit"


def _conflict(folder: RunFolder, top: Path, done: Completed, note: str) -> ConfigError:
    from runner.report.sanitise import line

    lines = done.stderr.decode(errors="backslashreplace").splitlines() or [done.error()]
    return ConfigError(
        f"the patch of {folder.run} does not apply to {top}: {line(lines[0], 300)}{note}",
        "nothing was changed; commit or stash your changes, or check out the base commit",
    )


def _git(directory: Path, *arguments: str, stdin: bytes = b"") -> Completed:
    from runner import process

    env = process.clean_env(_ENV)
    return process.run((*_GIT, *arguments), stdin=stdin, env=env, cwd=directory)
