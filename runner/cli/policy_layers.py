"""What the verbs of `policy` share: the layers that hold here, and how a file becomes one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.policy.lattice import Decided
    from runner.policy.settings import Settings
    from runner.records.merge import LayerName
    from runner.records.policy import Layer
    from runner.records.task import Words

    Kind = LayerName | Literal["codex"]
    """`codex`: a requirements.toml or a `.rules` file of codex itself."""

F = TypeVar("F", bound=Callable[..., Any])
KINDS = ("organisation", "user", "repository", "task")
kind_option = click.option(
    "--as",
    "kind",
    type=click.Choice((*KINDS, "codex")),
    help="What kind of file.  [default: as its name says]",
)


def here_options(function: F) -> F:
    """`-C`, `--base` and `--task`."""
    for option in (
        click.option("--task", type=click.Path(path_type=Path), help="A task file."),
        click.option("--base", help="Revision of the repository's policy.  [default: HEAD]"),
        click.option(
            "--repository",
            "-C",
            type=click.Path(path_type=Path),
            default=Path(),
            show_default="here",
            help="The repository; only read.",
        ),
    ):
        function = option(function)
    return function


def decided_here(
    repository: Path, base: str | None, task: Path | None, words: Words | None = None
) -> tuple[Decided, Settings]:
    """As a run would decide. Raises ConfigError."""
    from runner.gates.paths import PROTECTED
    from runner.policy.command_line import command_layers
    from runner.policy.lattice import decide
    from runner.policy.layers import built_in, task_layer
    from runner.policy.settings import load_settings
    from runner.policy.task_file import read_task

    settings = load_settings(os.environ)
    layers = (built_in(PROTECTED), *settings.layers, *_of_repository(repository, base, settings))
    mine = () if task is None else (task_layer(read_task(task), layers),)
    said = () if words is None else command_layers(words)
    return decide((*layers, *mine, *said)), settings


def _of_repository(path: Path, base: str | None, settings: Settings) -> tuple[Layer, ...]:
    """Nothing outside of every repository, when none was named."""
    from runner.policy.repo_policy import read_repo_policy
    from runner.workspace.plain import locate
    from runner.workspace.source import open_source

    if path == Path() and base is None and locate(path) is None:
        return ()
    with tempfile.TemporaryDirectory(prefix="codex-runner-policy-") as scratch:
        source = open_source(
            path, base, Path(scratch), allow_dirty=True, alternates=settings.alternates
        )
        try:
            return (read_repo_policy(source.base_blob, source.at_base),)
        finally:
            source.close()


def require_file(path: Path) -> None:
    """Raises ConfigError: there is nothing, or a directory."""
    from runner.policy.files import shown

    if path.is_dir():
        remedy = "name a file in it: requirements.toml, config.toml, .codex-runner.toml, a task"
        raise ConfigError(f"{shown(path)} is a directory", remedy)
    if not os.path.lexists(path):
        raise ConfigError(f"{shown(path)}: no such file", "check the path")


def kind_of(path: Path) -> Kind:
    """Raises ConfigError: there is no such file, or its name does not say."""
    from runner.policy.files import shown

    match path.name:
        case "requirements.toml":
            return "organisation"
        case "config.toml":
            return "user"
        case ".codex-runner.toml" | "codex-runner.toml":
            return "repository"
        case name if name.endswith((".md", ".markdown")):
            return "task"
        case name if name.endswith(".rules"):
            return "codex"
    require_file(path)
    raise ConfigError(
        f"{shown(path)}: what kind of file it is cannot be told from its name",
        f"say it: --as {' or '.join(KINDS)}",
    )


def layer_of(path: Path, kind: Kind | None) -> Layer:
    """A file as a layer of its own. Raises ConfigError naming file, line and key."""
    from runner.policy.codex_requirements import read_codex_file
    from runner.policy.files import read_bounded, shown
    from runner.policy.layers import task_layer
    from runner.policy.operator_files import read_operator
    from runner.policy.repo_policy import parse_repo_policy
    from runner.policy.task_file import read_task
    from runner.policy.toml import MAX_BYTES

    kind = kind or kind_of(path)
    if kind == "task":
        return task_layer(read_task(path))
    data = read_bounded(path, MAX_BYTES, follow=True)
    if data is None:
        raise ConfigError(f"{shown(path)}: no such file", "name a policy file")
    if kind == "codex":
        return read_codex_file(data, shown(path)).layer
    if kind == "repository":
        return parse_repo_policy(data, shown(path))
    return read_operator(data, shown(path), kind)
