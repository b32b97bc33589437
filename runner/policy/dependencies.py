"""The `[dependencies]` tables: what becomes of new packages; who may allow what is refused."""

from __future__ import annotations

from runner.policy import names
from runner.policy.toml import Table
from runner.records.dependencies import DependencyRules, New

_name = names.line(200)
_new = names.one_of("warn", "refuse")


def read_dependencies(table: Table) -> DependencyRules:
    """Of config.toml. Raises ConfigError naming source, line and key."""
    table.closed(DependencyRules.model_fields)
    return DependencyRules(
        new=_read_new(table) or "warn",
        allow=table.strings("allow", _name),
        advisories=table.string("advisories", names.absolute),
    )


def read_repo_dependencies(table: Table) -> New | None:
    """Of the repository's policy, which may only tighten. Raises ConfigError."""
    table.closed({"new"})
    return _read_new(table)


def decide_dependencies(operator: DependencyRules, repo: New | None) -> DependencyRules:
    return operator.model_copy(update={"new": "refuse"}) if repo == "refuse" else operator


def _read_new(table: Table) -> New | None:
    match table.string("new", _new):
        case "refuse":
            return "refuse"
        case None:
            return None
        case _:
            return "warn"
