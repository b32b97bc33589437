"""All scenarios, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runner.drill import (
    broker,
    budget,
    evidence,
    exfiltration,
    outer,
    oversize,
    paths,
    readonly,
    resources,
    reviewer,
    secrets,
    tampering,
    traces,
)
from runner.drill.scenario import Attack, Scenario
from runner.errors import ConfigError

SCENARIOS: tuple[Scenario, ...] = (
    *exfiltration.SCENARIOS,
    *broker.SCENARIOS,
    *readonly.SCENARIOS,
    *outer.SCENARIOS,
    *evidence.SCENARIOS,
    *traces.SCENARIOS,
    *resources.SCENARIOS,
    *budget.SCENARIOS,
    *paths.SCENARIOS,
    *oversize.SCENARIOS,
    *secrets.SCENARIOS,
    *tampering.SCENARIOS,
    *reviewer.SCENARIOS,
)


def attacks() -> tuple[Attack, ...]:
    return tuple(attack for scenario in SCENARIOS for attack in scenario.attacks)


def families() -> tuple[str, ...]:
    """`exfiltration`, `broker`, ..."""
    return tuple(dict.fromkeys(attack.name.partition(".")[0] for attack in attacks()))


def choose(names: Iterable[str]) -> tuple[Scenario, ...]:
    """The scenarios of these families and attacks; none = all. Other attacks are left out.

    Raises:
        ConfigError: there is no such family or attack.
    """
    wanted = frozenset(names)
    known = {*families(), *(attack.name for attack in attacks())}
    if unknown := sorted(wanted - known):
        raise ConfigError(f"no such scenario: {unknown[0]}", "codex-runner drill --list")
    if not wanted:
        return SCENARIOS
    kept = (replace(one, attacks=tuple(_wanted(one.attacks, wanted))) for one in SCENARIOS)
    return tuple(scenario for scenario in kept if scenario.attacks)


def _wanted(found: tuple[Attack, ...], wanted: frozenset[str]) -> Iterable[Attack]:
    return (a for a in found if {a.name, a.name.partition(".")[0]} & wanted)
