"""What a command line may say of a run's policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from runner.records.task import Words

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


def told_words(said: dict[str, Any]) -> Words:
    """What the command line says of the policy, taken out of `said`; what is wrong with it is told
    before anything is started."""
    from runner.policy.command_line import command_layers
    from runner.records.task import Words

    words = Words(**{name: said.pop(name) for name in Words.model_fields})
    command_layers(words)
    return words
