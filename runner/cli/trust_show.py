"""`codex-runner trust [AGENT]`: score, factors with their receipts, level, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.address import ledger_address
from runner.cli.options import json_option, readable_state, state_option
from runner.cli.tenant import tenant_option, told_tenant

if TYPE_CHECKING:
    from runner.records.trust import Trust

TOLD = 3
"""Receipts of a factor, and ignored entries; --json has more."""


@click.command()
@click.argument("agent", required=False)
@tenant_option
@state_option
@json_option
def command(agent: str | None, tenant: str | None, state: Path | None, as_json: bool) -> None:
    """What is known of AGENT (a name or ag_...; default: of all that worked here)."""
    from runner.text import to_json
    from runner.trusting import agents, calibrated, named, opened, unknown

    home = readable_state(state)
    asked = named(agent, told_tenant(tenant)) if agent else None
    with opened(home, ledger_address(home)) as ledger:
        if ledger is None:
            found = [unknown(asked)] if asked else []
        else:
            ids = [asked] if asked else agents(home, ledger)
            found = [calibrated(home, ledger, each) for each in ids]
    if as_json:
        click.echo(to_json([each.model_dump(mode="json") for each in found]))
    elif found:
        _print(row for each in found for row in _rows(each))
    else:
        click.echo(f"nothing became of any agent in {home} yet: codex-runner outcomes sync")


def _print(rows: Iterator[str]) -> None:
    import sys

    from runner.report.terminal import write_rows

    write_rows([(row, "") for row in rows], sys.stdout)


def _rows(trust: Trust) -> Iterator[str]:
    from runner.records.level import BUNDLES
    from runner.report.sanitise import line

    score, ladder = trust.score, trust.ladder
    insufficient = "" if score.state == "measured" else ", INSUFFICIENT: too little is known"
    yield f"{trust.agent}  {score.score} {score.band}{insufficient}"
    if not trust.outcomes and ladder.since is None:
        yield "  unknown   nothing became of anybody of this name or id here: codex-runner trust"
    for factor in score.factors:
        more = " ..." if factor.count > TOLD else ""
        receipts = " ".join(factor.receipts[:TOLD]) + more
        yield f"  {factor.delta:+5}  {factor.name:18} {factor.count:4}  {receipts}"
    if score.waiting or score.dependent:
        yield f"  merges    {score.waiting} too young to count, {score.dependent} by nobody else"
    since = f", since {ladder.since:%Y-%m-%d}" if ladder.since else ""
    level = f"{ladder.level} {BUNDLES[ladder.level].name}{since}"
    yield f"  level     {level}; it binds where [trust] enforce = true"
    if ladder.capped:
        yield f"  held      {ladder.capped}"
    for missing in ladder.missing:
        yield f"  not {ladder.next}     {missing}"
    if trust.severe is not None:
        yield f"  severe    level {trust.severe} at most, until its window ends"
    yield from _calibration(trust)
    for each in trust.ignored[-TOLD:]:
        yield f"  ignored   {each.receipt} {each.kind}: {line(each.why, 200)}"


def _calibration(trust: Trust) -> Iterator[str]:
    told = trust.calibration
    why = f"insufficient: {told.why}" if told.why else f"Brier 0.{told.brier:03}"
    yield f"  foretold  {why}"
    for band in told.bands:
        shares = f"{band.predicted / 10:.0f} % foretold, {band.observed / 10:.0f} % came"
        yield f"    {band.band:12} {band.n:4} outcomes: {shares}, Brier 0.{band.brier:03}"
