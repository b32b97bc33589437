"""Options that several verbs share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
STATE = "runner.state"
"""Of a context's `meta`: what --state says, for the remedies of errors."""


def _real(context: click.Context, _option: click.Parameter, given: Path | None) -> Path | None:
    state = given and Path(os.path.realpath(os.path.expanduser(given)))
    context.meta[STATE] = state
    return state


state_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    callback=_real,
    help="Where runs and keys are kept.  [default: $CODEX_RUNNER_STATE, else the user's]",
)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def repository_option(about: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`-C`: where the command begins."""
    return click.option(
        "--repository",
        "-C",
        type=click.Path(path_type=Path),
        default=Path(),
        show_default="here",
        help=about,
    )


def resolve_state(given: Path | None) -> Path:
    """The state directory `run` would use: the option, the environment, the user's settings."""
    from runner.policy.place import plain_state

    if (plain := plain_state(os.environ, given)) is not None:
        return plain
    from runner.policy.settings import find_state

    return find_state(os.environ, given)


def made_state(given: Path | None) -> Path:
    """The same, made where it is absent. Raises ConfigError: it cannot be made."""
    from runner.errors import ConfigError
    from runner.ledger.folder import private_directory

    state = resolve_state(given)
    try:
        private_directory(state)
    except OSError as error:
        problem = f"cannot make the state directory {state}: {error.strerror}"
        remedy = 'choose another: CODEX_RUNNER_STATE=/..., or state = "/..." in config.toml'
        raise ConfigError(problem, remedy) from error
    return state


def readable_state(given: Path | None) -> Path:
    """The same, to be looked into: one that was named and is absent is a mistake.

    Raises:
        ConfigError: it is absent, or cannot be read.
    """
    from runner.errors import ConfigError
    from runner.live import LIVE

    state = resolve_state(given)
    remedy = "name one that you can read: --state DIR"
    for place in (state, state / "runs", state / LIVE):
        try:
            os.scandir(place).close()
        except FileNotFoundError:
            if given and place == state:
                raise ConfigError(f"no runs in {state}: it does not exist", remedy) from None
        except OSError as error:
            raise ConfigError(f"cannot read {place}: {error.strerror}", remedy) from error
    return state


def tidied_state(given: Path | None) -> Path:
    """The same, after whatever runners left in it that were killed since is cleaned up."""
    from runner.live import LIVE, found

    state = readable_state(given)
    if False in found(state / LIVE):
        from runner.sweep import tidy

        swept = tidy(state)
        for row in swept.left if swept else ():
            from runner.cli.ending import state_words

            click.echo(f"warning: {row}; see `codex-runner sweep{state_words(state)}`", err=True)
    return state


def write_bytes(content: bytes) -> None:
    """Exact bytes to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
