"""Which layer decided: built-in, the user's settings, the repository's policy, or the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.policy.repo_policy import LOCATIONS, RepoPolicy, parse_repo_policy
from runner.policy.settings import BUILT_IN, Settings
from runner.policy.text import decode_text
from runner.policy.toml import parse_toml
from runner.records.gate import Finding, GateReport
from runner.records.plan import Plan
from runner.records.task import Limits

DEFAULTS = Limits()


@dataclass(frozen=True, slots=True)
class Origins:
    """`Origins(settings, plan, source.base_blob).of("limits.lines")` -> `config.toml, line 3`."""

    settings: Settings
    plan: Plan
    blob: Callable[[str], bytes | None]
    """Reads a file of the base commit."""

    def of(self, name: str) -> str:
        """`name`: a setting, `limits.NAME`, `protected GLOB`, `paths` (the task's), `repo_paths`,
        `test`, or a key of a table of the repository's policy, e.g. `static.off`."""
        kind, _, glob = name.partition(" ")
        if name.startswith("limits."):
            return self._limit(name.removeprefix("limits."))
        if kind == "protected":
            mine = self._repository("protected")
            return mine[1] if mine and glob in mine[0].protected else BUILT_IN
        if name == "paths" and self.plan.paths:
            return self._task("paths")
        if name == "test" and (asked := self._test()):
            return asked
        if name in {"paths", "repo_paths"}:
            mine = self._repository("paths")
            return mine[1] if mine else BUILT_IN
        if "." in name:
            return self._nested(*name.split(".")) or self.settings.source_of(name.partition(".")[0])
        return self.settings.source_of(name)

    def _nested(self, *path: str) -> str | None:
        """The line of a key in one of the repository's tables, if it has that key."""
        mine = self._repository(*path)
        return mine[1] if mine and ", line " in mine[1] else None

    def named(self, report: GateReport) -> GateReport:
        """Every finding with the layer that set its rule."""
        layers = {rule: self.of(rule) for rule in {rule_of(each) for each in report.findings}}
        findings = tuple(
            finding.model_copy(update={"layer": finding.layer or layers[rule_of(finding)]})
            for finding in report.findings
        )
        return report.model_copy(update={"findings": findings})

    def _limit(self, name: str) -> str:
        """The first layer, from the operator down, that asked for the value that holds."""
        value = getattr(self.plan.limits, name)
        if getattr(self.settings.limits, name) == value:
            default = getattr(DEFAULTS, name) == value
            return BUILT_IN if default else self.settings.source_of("limits")
        mine = self._repository("limits", name)
        if mine and mine[0].limits.get(name) == value:
            return mine[1]
        return self._task(f"limits.{name}")

    def _test(self) -> str | None:
        if self.settings.test is not None:
            return None
        mine = self._repository("test")
        if mine and isinstance(mine[0].test, str):
            return mine[1]
        return self._task("test")

    def _task(self, key: str) -> str:
        task = self.plan.task
        return task.where.get(key, f"{task.source}, {key}")

    def _repository(self, *path: str) -> tuple[RepoPolicy, str] | None:
        """The repository's policy and the line of a key in it."""
        for source in LOCATIONS:
            if (data := self.blob(source)) is not None:
                table = parse_toml(decode_text(data, source), source)
                for name in path[:-1]:
                    table = table.table(name)
                return parse_repo_policy(data, source), table.where(path[-1])
        return None


def rule_of(finding: Finding) -> str:
    """What of the policy a finding speaks of, if need be by its code; empty = built in."""
    if finding.rule:
        return finding.rule
    gate, _, rule = finding.code.partition(".")
    match gate:
        case "size" if rule in Limits.model_fields:
            return f"limits.{rule}"
        case "paths" if rule == "outside":
            return "paths"
        case "tests":
            return "limits.tests_s" if rule == "timeout" else "test"
        case "review":
            return "limits.review_s" if rule == "late" else "reviewer_model"
    return ""
