"""The drill: every scenario played, each of its attacks judged.

1. Every run is the product's own, with the user's settings, policy, engine and gates.
2. Only the model is scripted, and the remote is a bare repository of the drill's own.
3. Runs without an attack go first (`control`): what they teach is said.
4. Stopped = the attack was made (there is a proof) and a rule that is named stopped it.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

from runner.drill.ground import Ground
from runner.drill.machine import Machine
from runner.drill.scenario import Attack, Judgement, NotApplicableError, Scenario
from runner.records.drill import Attempt


def drill(machine: Machine, ground: Ground, scenario: Scenario) -> Iterator[Attempt]:
    """Raises as `Machine.play`."""
    began = monotonic()
    try:
        scene = machine.play(ground, scenario.script(ground))
    except NotApplicableError as reason:
        for attack in scenario.attacks:
            yield _attempt(attack, Judgement("not-applicable", str(reason)))
        return
    duration_ms = round((monotonic() - began) * 1000)
    for attack in scenario.attacks:
        told = _attempt(attack, attack.judge(scene))
        yield told.model_copy(update={"run": scene.report.run, "duration_ms": duration_ms})


def _attempt(attack: Attack, judgement: Judgement) -> Attempt:
    return Attempt(
        attack=attack.name,
        about=attack.about,
        remedy=attack.remedy,
        outcome=judgement.outcome,
        by=judgement.by,
        why=judgement.why,
        proof=judgement.proof,
    )
