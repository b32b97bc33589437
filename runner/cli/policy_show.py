"""`codex-runner policy show`: every value that holds, and the layer that set it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import json_option
from runner.cli.policy_layers import decided_here, here_options
from runner.cli.words import words_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runner.policy.lattice import Decided
    from runner.policy.settings import Settings


@click.command()
@here_options
@words_options
@json_option
def command(
    repository: Path, base: str | None, task: Path | None, as_json: bool, **words: Any
) -> None:
    """The policy of a run that would start now, and the files it comes from."""
    from runner.records.task import Words
    from runner.text import to_json, visible

    decided, settings = decided_here(repository, base, task, Words(**words))
    if as_json:
        click.echo(to_json(_document(decided, settings)))
        return
    for row in _rows(decided, settings):
        click.echo(visible(row))


def _document(decided: Decided, settings: Settings) -> dict[str, object]:
    from runner.policy.notes import notes

    return {
        "policy_sha256": decided.policy.digest(),
        "layers": [
            {"layer": each.name, "source": each.source, "sha256": each.sha256}
            for each in decided.layers
        ],
        "policy": decided.policy.model_dump(mode="json"),
        "by": {name: [at.where for at in each.by] for name, each in decided.fields.items()},
        "pinned": {**_pins(decided), **settings.pinned},
        "notes": [*settings.notes, *notes(decided)],
    }


def _pins(decided: Decided) -> dict[str, str]:
    return {name: each.pinned.where for name, each in decided.fields.items() if each.pinned}


def _rows(decided: Decided, settings: Settings) -> Iterator[str]:
    from runner.policy.notes import notes, shown

    width = max(map(len, decided.fields))
    for name, each in decided.fields.items():
        by = ", ".join(dict.fromkeys(place.where for place in each.by))
        yield f"{name:{width}} {shown(each.value):24} {by}{' (pinned)' if each.pinned else ''}"
    yield ""
    for layer in decided.layers:
        digest = f" sha256:{layer.sha256}" if layer.sha256 else ""
        yield f"{layer.name}: {layer.source}{digest}"
    for name, place in settings.pinned.items():
        yield f"pinned: {name} by {place}"
    for note in (*settings.notes, *notes(decided)):
        yield f"note: {note}"
    yield f"policy: sha256:{decided.policy.digest()}"
