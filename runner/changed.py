"""What another policy makes of a run: fields decided otherwise, gates that say something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runner.policy.lattice import Decided, compared
from runner.records.gate import Finding, GateReport
from runner.records.level import CLASS_GATE, Standing
from runner.records.merge import Upper
from runner.records.plan import Plan
from runner.records.policy import fields
from runner.records.report import RunReport

_RECORDS: Mapping[str, str] = MappingProxyType(
    {"limits": "limits", "budget": "budget", "tests": "rigour", "classes": "caps"}
    | {name: name for name in ("dependencies", "static", "approvals")}
)
"""Tables of the policy, and where a plan has them."""
_SAME = ("gates", "guardrails", "rules", "features_off", "protected", "queue_label", "test")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of the policy that is decided otherwise."""

    field: str
    what: str
    """`tighter`, `looser`, or `changed`: not to be compared."""
    old: Any
    new: Any
    by: str
    """Layer and line."""


@dataclass(frozen=True, slots=True)
class GateChange:
    """A gate that says something else."""

    gate: str
    old: str | None
    """None = it did not speak then."""
    new: str
    findings: tuple[Finding, ...]
    """Of now."""


def level_change(
    report: RunReport, standing: Standing, reports: tuple[GateReport, ...]
) -> Iterator[FieldChange]:
    """With the class of the change, where both have been told it."""
    assert report.plan is not None
    old, new = report.plan.standing, standing
    if all(any(each.gate == CLASS_GATE for each in some) for some in (report.gates, reports)):
        old, new = old.measured(report.gates), new.measured(reports)
    if what := compared("level", old.level, new.level):
        yield FieldChange("level", what, old.level, new.level, new.reason)


def field_changes(old: Plan, new: Plan, decided: Decided) -> Iterator[FieldChange]:
    """Of the policy as far as plans have it, and of the models it allows."""
    before, after = _values(old), _values(new)
    for name, value in after.items():
        if old.resumed is not None and name == "budget.run_usd_micros":
            continue  # it was granted what an earlier run had left
        if what := compared(name, before[name], value):
            yield FieldChange(name, what, before[name], value, _by(decided, name))
    allowed = decided.policy.models
    barred = [each for each in (old.model, *old.reviewers) if allowed and each not in allowed]
    if barred:
        by = f"{_by(decided, 'models')}; it used {', '.join(barred)}"
        yield FieldChange("models", "tighter", None, allowed, by)


def loosened(old: Plan, new: Plan) -> tuple[str, ...]:
    """Fields that let pass what they did not. Budgets and setup judge nothing; of words that are
    replaced, as the test command, none is looser."""
    before, after = _values(old), _values(new)
    judging = [name for name in after if not name.startswith(("limits.", "budget.", "setup."))]
    return tuple(
        name
        for name in judging
        if not isinstance(fields()[name].merge, Upper)
        and compared(name, before[name], after[name]) in {"looser", "changed"}
    )


def _by(decided: Decided, name: str) -> str:
    return ", ".join(dict.fromkeys(place.where for place in decided.fields[name].by))


def _values(plan: Plan) -> Mapping[str, Any]:
    """What a plan took over from a policy, by the names of its fields."""
    found = {name: getattr(plan, name) for name in _SAME}
    for table, where in _RECORDS.items():
        record = getattr(plan, where)
        found |= {f"{table}.{name}": getattr(record, name) for name in type(record).model_fields}
    setup = plan.setup
    return {
        **found,
        "rules": tuple(each.model_copy(update={"where": ""}) for each in plan.rules),
        "paths": tuple(globs for globs in (plan.repo_paths, plan.paths, plan.run_paths) if globs),
        "setup.commands": setup.commands if setup else None,
        "setup.lockfiles": setup.lockfiles if setup else (),
        "setup.hosts": setup.hosts if setup else (),
        "review.approvals": plan.review.approvals,
        "review.instructions": plan.review.instructions,
    }


def gate_changes(old: tuple[GateReport, ...], new: tuple[GateReport, ...]) -> Iterator[GateChange]:
    """Not of one that passes now and was not asked then."""
    before = {each.gate: each for each in old}
    for report in new:
        was = before.get(report.gate)
        if was is None and report.verdict == "passed":
            continue
        if was is None or (was.verdict, _refusals(was)) != (report.verdict, _refusals(report)):
            then = was.verdict if was else None
            yield GateChange(report.gate, then, report.verdict, report.findings)


def _refusals(report: GateReport) -> frozenset[tuple[str, str | None]]:
    return frozenset((each.code, each.path) for each in report.findings if not each.is_warning)
