"""The cheap gates on a change that nobody is about to publish: no sandbox, no model, no report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NoReturn

from runner import guarding
from runner.case import Case
from runner.errors import InfraError
from runner.gates.classes import by_name
from runner.guardrails.secret_keys import Scan
from runner.policy.classes import task_bounds
from runner.policy.lattice import Decided
from runner.policy.levels import decide_level, policy_bounds
from runner.policy.origins import Origins
from runner.policy.plan import of_policy
from runner.ports import Source
from runner.records.gate import GateReport
from runner.records.level import Contribution, Standing
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.task import Task

COSTLY: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("static", "tests", "review"), "it needs a sandbox or a model")
)
"""What is left out; gates of other packages are not asked, either."""


def standing_under(decided: Decided, task: Task | None, bounds: Iterable[Contribution]) -> Standing:
    """The level before there is a change; `bounds` are further ones. No task has no class."""
    of_task = () if task is None else task_bounds(task, decided.policy.classes, by_name)
    return decide_level((*policy_bounds(decided), *of_task, *bounds))


def plan_under(decided: Decided, plan: Plan, standing: Standing) -> Plan:
    """The same plan under another policy."""
    policy = decided.policy
    more = {"standing": standing, "caps": policy.classes, "queue_label": policy.queue_label}
    return plan.model_copy(update={**of_policy(decided), **more})


def rejudge(
    plan: Plan, source: Source, patch: Patch, texts: Mapping[str, str], scan: Scan, origins: Origins
) -> tuple[GateReport, ...]:
    """Those that were asked; each finding with the layer that set its rule.

    Raises:
        InfraError: a gate could not decide.
        ConfigError: an expression of a declared guardrail is wrong.
    """
    from runner.gates.judge import judge

    case = Case(
        plan=plan,
        patch=patch,
        blob=source.blob,
        at_base=source.at_base,
        base_blob=source.base_blob,
        diff=lambda: source.diff(patch),
        texts=texts,
        held=(),
        test=_unasked,
        analyse=_unasked,
        review=_unasked,
    )
    guardrails = ((guarding.gate(plan, scan), True),)
    reports = judge(case, lambda _: None, scan, guardrails, without=COSTLY)
    return tuple(origins.named(each) for each in reports if each.gate not in COSTLY)


def _unasked(*_: object) -> NoReturn:
    raise InfraError("a cheap gate asked for a sandbox or a model", "report this")
