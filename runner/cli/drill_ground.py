"""The user's repository and policy as the ground of a drill: a private copy, one plan."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner import wiring
from runner.drill.ground import Arena, Ground, Origin, lay_out
from runner.drill.lure import Lure
from runner.gates import globs
from runner.gates.paths import PROTECTED
from runner.policy.layers import decide_run
from runner.policy.origins import Origins
from runner.policy.repo_policy import read_repo_policy
from runner.policy.settings import Settings
from runner.ports import Source
from runner.records.plan import Plan
from runner.records.task import Task
from runner.workspace.repository import find

KEY_VARIABLE = "DRILL_MODEL_KEY"


@dataclass(frozen=True, slots=True)
class Drilled:
    """What was asked for."""

    repository: Path
    task: Task
    base: str | None
    engine: str | None
    home: Path
    """Private and empty; gets everything the drill makes."""

    @property
    def state(self) -> Path:
        return self.home / "state"

    def settings(self) -> dict[str, str]:
        """The command line's layer of the user's own settings."""
        return {} if self.engine is None else {"engine": self.engine}

    def asked(self, arena: Arena, task: Task, key: str, url: str, **more: str) -> wiring.Asked:
        """One run of the user's, against the arena and a scripted model."""
        own = {
            "state": str(self.state),
            "upstream": url,
            "key": f"env:{KEY_VARIABLE}",
            "forge": "local",
        }
        return wiring.Asked(
            task=task,
            repository=arena.repository,
            base="HEAD",
            settings={**self.settings(), **own, **more},
            environ={**os.environ, KEY_VARIABLE: key},
            scripted=True,
        )


def make_ground(drilled: Drilled, settings: Settings, source: Source, lures: Lure) -> Ground:
    """Raises ConfigError: a setting, the policy or the task is wrong; InfraError: git failed."""
    key = f"drill-{secrets.token_hex(16)}"
    arena = lay_out(drilled.home, _origin(drilled, settings, source))
    task = _task(drilled.task, settings, source)
    repository = read_repo_policy(source.base_blob, source.at_base)
    decided = decide_run(task, settings.layers, repository, PROTECTED)
    plan = wiring.dry_run(drilled.asked(arena, task, key, settings.upstream))
    return Ground(
        arena=arena,
        plan=plan,
        lure=lures,
        nonce=secrets.token_hex(8),
        key=key,
        allowed=_allowed(plan),
        origin=Origins(settings, decided).of,
    )


def _origin(drilled: Drilled, settings: Settings, source: Source) -> Origin:
    base = source.base
    return Origin(
        objects=find(drilled.repository, settings.alternates).objects,
        commit=base.commit,
        branch=base.remote_branch or base.branch or drilled.task.target or "main",
        sha256=len(base.commit) == 64,
    )


def _task(task: Task, settings: Settings, source: Source) -> Task:
    """Aimed at the arena's one branch; without any test command the gate is waived."""
    policy = read_repo_policy(source.base_blob, source.at_base)
    layers = (*settings.layers, policy)
    unasked = task.test is None and not any("test" in each.values for each in layers)
    return task.model_copy(
        update={"base": None, "target": None, "test": False if unasked else task.test}
    )


def _allowed(plan: Plan) -> Callable[[str], bool]:
    """Whether the gate `paths` lets a plan's change be there."""
    protected = [globs.parse(pattern) for pattern in plan.protected]
    layers = [[globs.parse(p) for p in some] for some in (plan.paths, plan.repo_paths) if some]

    def allowed(path: str) -> bool:
        raw = path.encode()
        free = not any(glob.matches_folded(raw) for glob in protected)
        return free and all(any(glob.matches(raw) for glob in layer) for layer in layers)

    return allowed
