"""Which layer decided, for the findings of gates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runner.policy.lattice import Decided
from runner.policy.settings import BUILT_IN, Settings
from runner.records.gate import Finding, GateReport
from runner.records.merge import LayerName
from runner.records.task import Limits

_SPEAKS: Mapping[str, LayerName] = MappingProxyType(
    {"paths": "task", "repo_paths": "repository", "run_paths": "command line"}
)
"""Which layer's paths a plan has there."""


@dataclass(frozen=True, slots=True)
class Origins:
    """`Origins(settings, decided).of("limits.lines")` -> `config.toml, line 3`."""

    settings: Settings
    decided: Decided

    def of(self, name: str) -> str:
        """`name`: a setting, a field of the policy, `protected GLOB`, `paths` (the task's),
        `repo_paths` or `run_paths`."""
        field, _, item = name.partition(" ")
        match field:
            case "protected" if item:
                return self._named("protected", item) or BUILT_IN
            case "guardrails" if item:
                return self._declarer(item) or BUILT_IN
            case "paths" | "repo_paths" | "run_paths":
                mine = self.decided.of(_SPEAKS[field])
                told = [each.place("paths") for each in mine if "paths" in each.values]
                return told[0] if told else self._decider("paths")
        if field in self.decided.fields:
            return self._decider(field)
        return self.settings.source_of(field.partition(".")[0])

    def _decider(self, field: str) -> str:
        return self.decided.fields[field].by[-1].where

    def _named(self, field: str, item: str) -> str | None:
        """The highest layer that names this item."""
        layers = (each for each in self.decided.layers if item in each.values.get(field, ()))
        return next((each.place(field) for each in layers), None)

    def _declarer(self, item: str) -> str | None:
        """The highest layer that declares a check, `output Contains PII`."""
        for layer in self.decided.layers:
            declared = layer.values.get("guardrails", ())
            if any(f"{each.stage} {each.name}" == item for each in declared):
                return layer.place("guardrails")
        return None

    def named(self, report: GateReport) -> GateReport:
        """Every finding with the layer that set its rule."""
        layers = {rule: self.of(rule) for rule in {rule_of(each) for each in report.findings}}
        findings = tuple(
            finding.model_copy(update={"layer": finding.layer or layers[rule_of(finding)]})
            for finding in report.findings
        )
        return report.model_copy(update={"findings": findings})


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
