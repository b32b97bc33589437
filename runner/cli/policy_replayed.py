"""What `codex-runner policy replay` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from runner.replaying import Replay


def tell(told: list[Replay], *, as_json: bool) -> None:
    """As a table, or as JSON."""
    from runner.text import cut, to_json, visible

    if as_json:
        click.echo(to_json([_document(each) for each in told]))
        return
    for row in (row for each in told for row in _rows(each)):
        click.echo(cut(visible(row).replace("\n", " "), 500))
    changed, failed = sum(each.changed for each in told), sum(bool(each.problem) for each in told)
    click.echo(f"{len(told)} runs: {changed} would change, {failed} not replayed")
    click.echo("gates that need a sandbox or a model, and those of other packages, were not asked")


def _document(told: Replay) -> dict[str, Any]:
    from dataclasses import asdict

    from runner.policy.notes import plain

    fields = [{**asdict(e), "old": plain(e.old), "new": plain(e.new)} for e in told.fields]
    gates = [{**asdict(e), "findings": plain(e.findings)} for e in told.gates]
    return {**asdict(told), "changed": told.changed, "fields": fields, "gates": gates}


def _rows(told: Replay) -> Iterator[str]:
    if told.problem:
        yield f"{told.run}: not replayed: {told.problem}"
        return
    yield f"{told.run}: {told.conclusion}: {told.title}"
    for each in told.fields:
        yield f"  {each.what:8} {each.field}: {values(each.old, each.new)} ({each.by})"
    for gate in told.gates:
        yield f"  {gate.new:8} by {gate.gate}, then {gate.old or 'not asked'}"
        refusals = (each for each in gate.findings if not each.is_warning)
        yield from (f"           {each.why} ({each.layer})" for each in refusals)
    if told.unjudged:
        yield f"  the patch is not judged: {told.unjudged}"
    elif not told.changed:
        yield "  nothing would change"


def values(old: Any, new: Any) -> str:
    """`50 -> 9`; of several, those that come and go: `+ ["vault/"]`."""
    from runner.policy.notes import shown

    if not (isinstance(old, tuple | list) and isinstance(new, tuple | list)):
        return f"{shown(old)} -> {shown(new)}"
    gone, come = ([e for e in one if e not in two] for one, two in ((old, new), (new, old)))
    told = ((sign, tuple(some)) for sign, some in (("-", gone), ("+", come)) if some)
    return " ".join(f"{sign} {shown(some)}" for sign, some in told)
