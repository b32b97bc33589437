"""`codex-runner guardrails eval`: how well the checks on text do on labelled samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, made_state, state_option
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.guardrails.evaluate import Labelled, Score
    from runner.records.guardrail import Guardrail


@click.group(name="guardrails")
def command() -> None:
    """Checks on the task, on what the agent reads, and on what would leave."""


@command.command(name="eval", short_help="Precision and recall of each check on samples.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="The declared checks, JSON or TOML.  [default: those the samples name, as they come]",
)
@state_option
@json_option
def evaluate(file: Path, config: Path | None, state: Path | None, as_json: bool) -> None:
    """Precision and recall of each check on FILE, and the ids it was wrong about.

    FILE has lines such as {"id": "1", "data": "text", "expected_triggers": {"Contains PII": true}}.
    """
    from contextlib import closing

    from runner.gates.scanner import Scanner
    from runner.guardrails.evaluate import read_samples, scores
    from runner.guardrails.guard import ready
    from runner.policy.files import read_bounded, shown

    samples = read_samples(read_bounded(file, 64 * 1024 * 1024, follow=True), shown(file))
    if not samples:
        raise ConfigError(f"{shown(file)}: no samples", "write one in each line, as --help shows")
    declared = _declared(config, samples, shown(file))
    with closing(Scanner(made_state(state) / "scanner")) as scanner:
        found = scores(ready(declared, scanner.scan), samples)
    _tell(found, as_json=as_json)


def _declared(
    config: Path | None, samples: tuple[Labelled, ...], source: str
) -> tuple[Guardrail, ...]:
    """Raises ConfigError: the samples name a check that is not declared."""
    from runner.policy.guardrails import load_guardrails, usual_guardrails

    named = dict.fromkeys(name for sample in samples for name in sample.expected)
    if config is None:
        try:
            return usual_guardrails(named)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error.problem}", error.remedy) from error
    declared = load_guardrails(config)
    unknown = [name for name in named if name not in {each.name for each in declared}]
    if unknown:
        raise ConfigError(
            f"{config}: the samples speak of {unknown[0]!r}, which it does not declare",
            "declare it, or take it out of expected_triggers",
        )
    return declared


def _tell(found: tuple[Score, ...], *, as_json: bool) -> None:
    from runner.text import line, to_json

    if as_json:
        click.echo(to_json([each.told() for each in found]))
        return
    for each in found:
        if not each.available:
            click.echo(f"{each.check}: not available here, {each.samples} samples not judged")
            continue
        rates = f"precision {_percent(each.precision)}, recall {_percent(each.recall)}"
        click.echo(f"{each.check}: {rates} ({each.samples} samples)")
        for what, ids in (("missed", each.missed), ("false alarm", each.false_alarms)):
            for name in ids:
                click.echo(f"  {what}: {line(name, 100)}")


def _percent(rate: int | None) -> str:
    return "none" if rate is None else f"{rate / 10:.1f} %"
