"""A calibration put together: the user's settings and models, the real review gate, real codex."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import __version__, judging, wiring
from runner.case import Case
from runner.drill.calibration import lay_out, replay
from runner.drill.labelled import Labelled
from runner.errors import RefusedError
from runner.gates.review import ReviewGate
from runner.lending import require_review_key
from runner.policy.settings import load_settings
from runner.policy.task_file import prompt_task
from runner.records.calibration import Calibration, Judged
from runner.records.gate import GateReport
from runner.records.report import RunReport
from runner.records.usage import Usage
from runner.told import Told
from runner.way import Way
from runner.world import World


def perform(
    home: Path,
    chosen: tuple[Labelled, ...],
    settings: Mapping[str, str],
    tick: Callable[[str], None],
) -> tuple[Calibration | None, RunReport]:
    """`tick` hears of each patch; the report says whether it came to its end; without
    any judged patch there is no calibration.

    Raises:
        ConfigError, InfraError: a setting is wrong, or nothing could be started.
    """
    require_review_key(load_settings(os.environ, settings), os.environ)  # before anything is made
    repository = home / "shelf"
    repository.mkdir()
    lay_out(repository)
    story = _Story(chosen, tick)
    report, _ = wiring.perform(
        wiring.Asked(
            task=prompt_task("Calibrate the reviewer.").model_copy(update={"test": False}),
            repository=repository,
            publish=False,
            settings={**settings, "state": str(home / "state")},
            environ=os.environ,
        ),
        quiet=True,
        way=Way(story=story, authored=False),
    )
    plan = report.plan
    if plan is None or not story.judged:
        return None, report
    found = Calibration(
        version=__version__,
        reviewers=plan.reviewers,
        approvals=plan.review.approvals or len(plan.reviewers),
        judged=tuple(story.judged),
        usage=story.usage,
    )
    return found, report


@dataclass(slots=True)
class _Story:
    """Each patch, measured and judged by the gate `review` alone, under its own task."""

    chosen: tuple[Labelled, ...]
    tick: Callable[[str], None]
    judged: list[Judged] = field(default_factory=list)
    usage: Usage | None = None

    def __call__(self, world: World, told: Told) -> None:
        told.phase("gates")
        try:
            for one in replay(self.chosen, lambda one: self._gate(world, told, one)):
                self.judged.append(one)
        finally:
            self.usage = told.review_usage

    def _gate(self, world: World, told: Told, one: Labelled) -> GateReport:
        self.tick(f"{one.kind}.{one.name}")
        task = prompt_task(one.task).model_copy(update={"test": False})
        mine = replace(world, plan=world.plan.model_copy(update={"task": task}), judge=_review)
        patch = world.source.adopt(world.source.apply(one.patch()), message=one.task)
        told.gates = ()
        with suppress(RefusedError):
            judging.judge(mine, told, patch, {}, ())
        return _last(told)


def _last(told: Told) -> GateReport:
    return told.gates[-1]


def _review(case: Case, hear: Callable[[GateReport], None]) -> tuple[GateReport, ...]:
    report = ReviewGate().check(case)
    hear(report)
    return (report,)
