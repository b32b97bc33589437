"""The policy's word on what a change may depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from runner.records.base import Record

New = Literal["warn", "refuse"]


class DependencyRules(Record):
    """Every layer may tighten it; only the operator allows something."""

    new: New = "warn"
    """What becomes of a new direct dependency that the task does not name."""
    allow: tuple[str, ...] = ()
    """Names of packages, and ids of advisories, that are told and never refused."""
    advisories: Path | None = None
    """A folder of OSV records, as `*.json` or per ecosystem in `*.zip`; None = not asked."""
