"""`codex-runner policy test`: whether a policy decides what its examples say."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import json_option
from runner.cli.policy_examples import claims_of, proofs_of, rows, sorted_files
from runner.cli.policy_layers import decided_here, here_options, kind_option, layer_of
from runner.errors import NothingToDoError

if TYPE_CHECKING:
    from runner.cli.policy_layers import Kind
    from runner.proving import Proof
    from runner.records.policy import Layer


HELP = """\
Try the [[examples]] of the policy in force; of FILES in its place, if they are policies.
A FILE with nothing but examples is tried on all of that policy.

\b
[[examples]]
name = "nobody pushes"
command = "git push origin main"
expect = "forbidden"            # forbidden, prompt or allow
\b
[[examples]]
name = "large work is cut, and log-ins wait for a person"
task = { title = "Fix the login form", limits = { lines = 9000 } }
expect = { level = 1, limits = { lines = 500 } }
\b
[[examples]]
name = "workflows stay as they are"
diff = [{ path = ".github/workflows/ci.yml", before = "on: push", after = "" }]
expect = { gate = "paths", verdict = "refused", code = "paths.protected" }

An example speaks of its own layer and those above it. `user`, `repository` and `task` are what
others ask for, in the words of their files (and `prompt`); `event` is what started the run, as
GITHUB_EVENT_NAME. A change is `diff` (before and after may be missing), or `patch`: a file
beside FILE, or in the repository, and applied to the repository at --base. It is judged by the
gates that need no sandbox and no model; `level` is what its class leaves of the level.

The match and not_match examples of [[rules]] hold, or the file is bad input.
"""
EPILOG = "Exit codes: 0 all hold, 1 one does not, 2 bad input, 7 there are none."


@click.command(help=HELP, epilog=EPILOG)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@kind_option
@here_options
@json_option
def command(
    files: tuple[Path, ...],
    kind: Kind | None,
    repository: Path,
    base: str | None,
    task: Path | None,
    as_json: bool,
) -> None:
    """One line each, and what came out otherwise."""
    from runner.policy.settings import Settings

    policies, further = sorted_files(files, kind)
    settings, folders = Settings(), {layer.source: path.parent for path, layer in policies}
    layers: Iterable[Layer] = [layer for _, layer in policies]
    if not policies:
        decided, settings = decided_here(repository, base, task)
        layers = decided.layers
    elif task is not None:
        layers = [*layers, layer_of(task, "task")]
    where = (repository, base, settings.alternates)
    proofs = [*proofs_of(claims_of(layers, folders, further, repository), *where)]
    rules = sum(len(layer.values.get("rules", ())) for layer in layers)
    if not (proofs or rules):
        raise NothingToDoError(
            "nothing to test: there are no [[examples]] and no [[rules]]",
            "write some: codex-runner policy test --help shows three",
        )
    _tell(proofs, rules, as_json=as_json)
    sys.exit(int(any(proof.misses for proof in proofs)))


def _tell(proofs: list[Proof], rules: int, *, as_json: bool) -> None:
    from runner.text import to_json, visible

    failed = sum(bool(proof.misses) for proof in proofs)
    if as_json:
        click.echo(to_json({"examples": [_document(each) for each in proofs], "rules": rules}))
        return
    for row in (row for proof in proofs for row in rows(proof)):
        click.echo(visible(row))
    click.echo(f"examples: {len(proofs) - failed} hold, {failed} failed; rules: {rules}")


def _document(proof: Proof) -> dict[str, Any]:
    from dataclasses import asdict

    example = proof.example
    told = {"name": example.name, "where": example.where, "ok": not proof.misses}
    return {**told, "misses": [asdict(miss) for miss in proof.misses]}
