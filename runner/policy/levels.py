"""The level of a run: the lowest of what operator, repository, task, its class and trigger allow.

Pure, and every bound only lowers: more bounds, or lower ones, never make a higher level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from runner.policy.classes import Places, task_bounds
from runner.policy.lattice import Decided
from runner.records.level import DEFAULT, HIGHEST, Contribution, Standing, Who
from runner.records.merge import LayerName
from runner.records.plan import Plan

_WHO: Mapping[LayerName, Who] = {
    "built-in": "operator",
    "organisation": "operator",
    "user": "operator",
    "repository": "repository",
    "task": "task",
    "command line": "task",
}
EVENT = "GITHUB_EVENT_NAME"
_TRUSTED = frozenset(
    {"push", "schedule", "workflow_dispatch", "repository_dispatch", "merge_group", "release"}
    | {"deployment", "deployment_status", "create", "delete", "milestone", "label"}
)
"""Only people with write access, and the clock, start these."""
_UNSET = Contribution(who="operator", level=DEFAULT, why="no level is set", where="built-in")


def levelled(
    plan: Plan,
    decided: Decided,
    environ: Mapping[str, str],
    places: Places,
    trust: Iterable[Contribution] = (),
) -> Plan:
    """With its level and why. `trust`: what the agent's past leaves."""
    policy = decided.policy
    bounds = (
        *policy_bounds(decided),
        *task_bounds(plan.task, policy.classes, places),
        *trigger_bounds(environ),
        *trust,
    )
    more = {"caps": policy.classes, "queue_label": policy.queue_label}
    return standing_at(plan.model_copy(update=more), decide_level(bounds))


def standing_at(plan: Plan, standing: Standing) -> Plan:
    """The plan at this level. One that is to publish nothing knows no remote."""
    silent = {"remote": None, "forge": None} if standing.level == 0 else {}
    return plan.model_copy(update={"standing": standing, **silent})


def decide_level(bounds: Iterable[Contribution]) -> Standing:
    """The lowest of all; without an operator's word the built-in one is among them."""
    given = tuple(bounds)
    if not any(each.who == "operator" for each in given):
        given = (_UNSET, *given)
    return Standing(level=HIGHEST).lowered(given)


def policy_bounds(decided: Decided) -> Iterator[Contribution]:
    """What each layer asks for, but for words that a pin above them took away."""
    for layer in decided.layers:
        asked = layer.values.get("level")
        if asked is not None and asked >= decided.policy.level:
            yield Contribution(
                who=_WHO[layer.name],
                level=asked,
                why=f"level = {asked}",
                where=layer.place("level"),
            )


def trigger_bounds(environ: Mapping[str, str]) -> Iterator[Contribution]:
    """Who can have started this: on GitHub anybody opens issues, comments and pull requests.

    The event alone decides; whether a pull request comes from a fork is not in the environment, so
    each counts as one. None at a person's terminal; an event that is not known is nobody's word.
    """
    event = environ.get(EVENT, "")
    if event and event not in _TRUSTED:
        why = f"outsiders can cause the event {event[:64]}: what the agent reads may be theirs"
        yield Contribution(who="trigger", level=1, why=why, where=EVENT)
