"""Options that several verbs share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

STATE = "CODEX_RUNNER_STATE"

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path),
    help=f"Where runs and keys are kept.  [default: ${STATE}, else the user's state directory]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def resolve_state(given: Path | None) -> Path:
    """The state directory `run` would use: the option, the environment, the user's settings."""
    from runner.policy.settings import load_settings

    option = {} if given is None else {"state": str(given.expanduser().absolute())}
    return load_settings(os.environ, option).state


def write_bytes(content: bytes) -> None:
    """Exact bytes to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()
