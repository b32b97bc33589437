"""`codex-runner policy rules`: what the command rules say of a command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import json_option
from runner.cli.policy_layers import decided_here, here_options

if TYPE_CHECKING:
    from runner.policy.lattice import Decided
    from runner.records.rules import CommandRule


@click.command()
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@here_options
@json_option
def command(
    words: tuple[str, ...], repository: Path, base: str | None, task: Path | None, as_json: bool
) -> None:
    """WORDS are a command, `-- git push origin`; one alone is a shell script, `'ls && git push'`.
    Without them all rules are told.

    The strictest rule that matches decides. Rules are advice to the agent: the sandbox's walls hold
    whatever it runs.
    """
    from runner.policy.rules import Rulebook
    from runner.text import to_json, visible

    decided, _ = decided_here(repository, base, task)
    if words:
        ruling = Rulebook(decided.policy.rules).decide(words[0] if len(words) == 1 else words)
        told = [
            {
                "decision": ruling.decision,
                "command": list(ruling.command),
                "unread": ruling.unread,
                "rule": ruling.rule and _rule(ruling.rule, decided),
            }
        ]
    else:
        told = [_told(rule, decided) for rule in decided.policy.rules]
    if as_json:
        click.echo(to_json(told))
        return
    for row in map(_row, told):
        click.echo(visible(row))
    if not told:
        click.echo("no rules")


def _told(rule: CommandRule, decided: Decided) -> dict[str, Any]:
    return {"decision": rule.decision, "rule": _rule(rule, decided), "unread": ""}


def _rule(rule: CommandRule, decided: Decided) -> dict[str, str]:
    layers = (each.name for each in decided.layers if rule in each.values.get("rules", ()))
    return {
        "pattern": rule.shown,
        "justification": rule.justification,
        "layer": next(layers),
        "where": rule.where,
    }


def _row(told: dict[str, Any]) -> str:
    """`forbidden  git fetch|push  user, config.toml, line 4: the runner publishes`"""
    rule = told["rule"]
    if rule is None:
        why = "cannot be judged before it runs: " if told["unread"] else "no rule speaks of it"
        return f"{told['decision']:9}  {why}{told['unread']}"
    why = f": {rule['justification']}" if rule["justification"] else ""
    return f"{told['decision']:9}  {rule['pattern']}  {rule['layer']}, {rule['where']}{why}"
