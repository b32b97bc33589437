"""The same attacks with codex's own sandbox switched off: does the engine hold alone?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from runner.drill import broker, evidence, exfiltration, readonly
from runner.drill.ground import Ground
from runner.drill.scenario import Attack, Scenario, Script


def _outer(scenario: Scenario) -> Scenario:
    return Scenario(tuple(map(_renamed, scenario.attacks)), _flat(scenario.script))


def _renamed(attack: Attack) -> Attack:
    return replace(
        attack,
        name=f"outer.{attack.name.replace('.', '-')}",
        about=f"{attack.about}; codex's own sandbox is off",
    )


def _flat(script: Callable[[Ground], Script]) -> Callable[[Ground], Script]:
    return lambda ground: replace(script(ground), settings={"inner_sandbox": "off"})


SCENARIOS = tuple(
    map(
        _outer,
        (*exfiltration.SCENARIOS, *broker.SCENARIOS, *readonly.SCENARIOS, *evidence.SCENARIOS),
    )
)
