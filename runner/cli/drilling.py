"""A drill put together: the user's settings and repository, a private copy, a scripted model."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from shutil import copytree

from runner import __version__, wiring
from runner.cli.drill_ground import Drilled, make_ground
from runner.demo.model import USUAL, ScriptedModel
from runner.drill.control import control
from runner.drill.drill import drill
from runner.drill.ground import Ground
from runner.drill.lure import lure
from runner.drill.machine import Machine, Ran
from runner.drill.reviewer import approval
from runner.drill.scenario import Scenario, Script
from runner.policy.settings import load_settings
from runner.records.drill import Attempt, DrillReport
from runner.report.terminal import report_rows
from runner.workspace.source import open_source

KEY_VARIABLE = "DRILL_MODEL_KEY"
STAND_IN = "true"
NOTES = (
    "the model is scripted: whether a real reviewer believes a text cannot be measured here",
    "an obedient reviewer approves everything: what only a reviewer could stop counts as breached",
    "limits are lowered for some runs, so that an attack on them stays small",
    f"only the tests scenarios and the control run your test command; elsewhere it is `{STAND_IN}`",
)


def perform(
    drilled: Drilled, chosen: tuple[Scenario, ...], tick: Callable[[str], None]
) -> DrillReport:
    """The whole drill. `tick` hears of each scenario before it begins.

    Raises:
        ConfigError, InfraError: a setting is wrong, or the honest run came to no verdict.
        KeyboardInterrupt: interrupted; what was made is in `home`.
    """
    began = datetime.now(UTC)
    settings = load_settings(os.environ, drilled.settings())
    drilled.state.mkdir(mode=0o700)
    known = settings.state / "scanner" / "rules"
    if known.is_dir():  # compiled once already: seconds of CPU
        copytree(known, drilled.state / "scanner" / "rules")
    source = open_source(
        drilled.repository,
        drilled.base or drilled.task.base,
        drilled.state,
        allow_dirty=True,
        alternates=settings.alternates,
    )
    with closing(source), lure(drilled.home) as lures:
        ground = make_ground(drilled, settings, source, lures)
        plan, machine = ground.plan, _machine(drilled, ground)
        tick("control")
        bent = any(a.name.startswith("tests.") for s in chosen for a in s.attacks)
        ground, notes = control(machine, ground, tests=bent)
        attempts: list[Attempt] = []
        for scenario in chosen:
            tick(scenario.attacks[0].name)
            attempts += drill(machine, ground, scenario)
    return DrillReport(
        version=__version__,
        repository=str(source.base.repository),
        base_commit=plan.base_commit,
        engine=plan.engine,
        started_at=began,
        finished_at=datetime.now(UTC),
        notes=(*notes, *NOTES),
        attempts=tuple(attempts),
    )


def _machine(drilled: Drilled, ground: Ground) -> Machine:
    plan, task = ground.plan, ground.plan.task

    def serve(script: Script) -> ScriptedModel:
        tokens = script.tokens or USUAL
        return ScriptedModel(
            script.steps, review=script.review or approval, key=ground.key, tokens=tokens
        )

    def run(script: Script, url: str) -> Ran:
        lowered = task.model_copy(update={"limits": {**task.limits, **script.limits}})
        more = dict(script.settings)
        if plan.test is not None and not script.real_tests:
            more["test"] = STAND_IN
        report, folder = wiring.perform(
            drilled.asked(ground.arena, lowered, ground.key, url, **more), quiet=True
        )
        shown = "\n".join(text for text, _ in report_rows(report, folder.path))
        return Ran(report, folder.path, shown)

    return Machine(serve, run)
