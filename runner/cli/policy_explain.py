"""`codex-runner policy explain`: who decided a field, and who did not get what they asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import json_option
from runner.cli.policy_layers import decided_here, here_options
from runner.cli.words import words_options
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.policy.lattice import Decided, Decision, Place
    from runner.policy.settings import Settings


@click.command()
@click.argument("field", required=False)
@here_options
@words_options
@json_option
def command(
    field: str | None,
    repository: Path,
    base: str | None,
    task: Path | None,
    as_json: bool,
    **words: Any,
) -> None:
    """FIELD is one of the policy (`limits.lines`), a table of it (`limits`), or a setting
    (`engine`); without it all of the policy's are told.

    Of each its value, the layer and line that decided it, and every wish for something looser that
    was dropped.
    """
    from runner.policy.operator_files import KEYS
    from runner.records.task import Words
    from runner.text import to_json, visible

    decided, settings = decided_here(repository, base, task, Words(**words))
    told = [
        *(_field(name, each) for name, each in chosen(decided.fields, field)),
        *_setting(settings, field),
    ]
    for each in told:
        if task is not None and each["field"] == "level":
            each["starts_at"] = _starts_at(decided, task)
    if not told:
        tables = (name.partition(".")[0] for name in decided.fields)
        names = [*decided.fields, *tables, *KEYS]
        near = get_close_matches(field or "", names, n=1)
        guess = f"did you mean {near[0]}?" if near else "see: codex-runner policy show"
        raise ConfigError(f"{field!a} is no field of the policy and no setting", guess)
    if as_json:
        click.echo(to_json(told))
        return
    for row in (row for each in told for row in _rows(each)):
        click.echo(visible(row))


def chosen(every: Mapping[str, Decision], field: str | None) -> Iterator[tuple[str, Decision]]:
    """One, those of a table, or all."""
    for name, decision in every.items():
        if field is None or name == field or name.startswith(f"{field}."):
            yield name, decision


def _field(name: str, decision: Decision) -> dict[str, Any]:
    from runner.policy.notes import note, plain

    return {
        "field": name,
        "value": plain(decision.value),
        "by": [_place(each) for each in decision.by],
        "pinned": decision.pinned is not None,
        "means": _means(name, decision.value),
        "dropped": [
            {
                "by": _place(each.asker),
                "asked": plain(each.asked),
                "decided_by": _place(each.by),
                "told": [*note(each)],
            }
            for each in decision.dropped
        ],
    }


def _means(name: str, value: Any) -> dict[str, str]:
    """What one field stands for, if that is several things."""
    from runner.records.level import BUNDLES

    return BUNDLES[value].model_dump() if name == "level" else {}


def _starts_at(decided: Decided, task: Path) -> str:
    """The level with what the task speaks of, and what started this; the change may lower it."""
    from runner.policy.levels import trigger_bounds
    from runner.policy.task_file import read_task
    from runner.records.level import told
    from runner.rejudging import standing_under

    return told(standing_under(decided, read_task(task), trigger_bounds(os.environ)))


def _setting(settings: Settings, name: str | None) -> Iterator[dict[str, Any]]:
    """How this machine works: the last word wins, unless it is pinned."""
    from runner.policy.operator_files import KEYS

    if name is not None and name in KEYS:
        value = settings.model_dump(mode="json", include={name})[name]
        told = [note for note in settings.notes if note.startswith(f"{name}: ")]
        yield {
            "field": name,
            "value": value,
            "by": [{"layer": "settings", "where": settings.source_of(name)}],
            "pinned": name in settings.pinned,
            "means": {},
            "dropped": [{"told": [note]} for note in told],
        }


def _place(place: Place) -> dict[str, str]:
    return {"layer": place.layer, "where": place.where}


def _rows(told: Mapping[str, Any]) -> Iterator[str]:
    import json

    yield f"{told['field']} = {json.dumps(told['value'], ensure_ascii=False)}"
    if told["means"]:
        name, *others = (f"{key} {value}" for key, value in told["means"].items())
        yield f"  means {name.removeprefix('name ')}: {', '.join(others)}"
    for place in told["by"]:
        where = "" if place["where"] == place["layer"] else f": {place['where']}"
        yield f"  by {place['layer']}{where}{', pinned' if told['pinned'] else ''}"
    if told.get("starts_at"):
        yield f"  with this task a run starts at no more than {told['starts_at']}"
    for dropped in told["dropped"]:
        for line in dropped["told"]:
            yield f"  dropped: {line.removeprefix(told['field'] + ': ')}"
