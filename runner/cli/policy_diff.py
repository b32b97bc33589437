"""`codex-runner policy diff`: what one policy file has tighter, and looser, than another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.options import json_option
from runner.cli.policy_layers import kind_option, layer_of

if TYPE_CHECKING:
    from runner.records.merge import LayerName
    from runner.records.policy import Layer


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@kind_option
@json_option
def command(old: Path, new: Path, kind: LayerName | None, as_json: bool) -> None:
    """What changes from OLD to NEW, field by field, each over the built-in defaults alone.

    `tighter` and `looser` are the policy's own order; `changed` is what it cannot compare.
    """
    from runner.text import to_json, visible

    found = [*_changes(layer_of(old, kind), layer_of(new, kind))]
    if as_json:
        click.echo(to_json(found))
        return
    from runner.cli.policy_replayed import values

    for each in found:
        row = f"{each['what']:8} {each['field']}: {values(each['old'], each['new'])}"
        click.echo(visible(row))
    if not found:
        click.echo("no field differs")


def _changes(old: Layer, new: Layer) -> Iterator[dict[str, Any]]:
    from runner.gates.paths import PROTECTED
    from runner.policy.lattice import compared, decide
    from runner.policy.layers import built_in
    from runner.policy.notes import plain

    before, after = (decide((built_in(PROTECTED), layer)).fields for layer in (old, new))
    for name, decision in after.items():
        was, now = before[name], decision
        if what := compared(name, was.value, now.value):
            yield {"field": name, "what": what, "old": plain(was.value), "new": plain(now.value)}
        elif bool(was.pinned) != bool(now.pinned):
            pin = {"field": f"pin {name}", "old": bool(was.pinned), "new": bool(now.pinned)}
            yield {**pin, "what": "tighter" if now.pinned else "looser"}
