"""The policy's word on what a change may depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from runner.records.base import Record
from runner.records.merge import Intersection, Strictest, Upper

New = Literal["warn", "refuse"]
STRICTER: tuple[New, ...] = ("refuse", "warn")


class DependencyRules(Record):
    """Every layer may tighten it; only the operator allows something."""

    new: Annotated[New, Strictest(order=STRICTER)] = "warn"
    """What becomes of a new direct dependency that the task does not name."""
    allow: Annotated[tuple[str, ...], Intersection] = ()
    """Names of packages, and ids of advisories, that are told and never refused."""
    advisories: Annotated[Path | None, Upper()] = None
    """A folder of OSV records, as `*.json` or per ecosystem in `*.zip`; None = not asked."""
