"""What a command line may say of a run's policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def words_options(function: F) -> F:
    """`--level`, `--limit` and `--path`: the words of `runner.policy.command_line`. They only
    tighten; what asks for more is dropped, and told."""
    for option in (
        click.option(
            "--path",
            "paths",
            multiple=True,
            metavar="GLOB",
            help="Change nothing elsewhere; may be repeated.",
        ),
        click.option(
            "--limit",
            "limits",
            multiple=True,
            metavar="NAME=VALUE",
            help="Lower a limit or a budget: lines=200, run_usd=0.50; may be repeated.",
        ),
        click.option(
            "--level",
            type=click.IntRange(0, 3),
            help="At most this level: 0 audit, 1 a person approves, 2 draft, 3 ready.",
        ),
    ):
        function = option(function)
    return function
