"""What this machine, its engines and the settings guarantee, as `doctor` found it just now."""

from __future__ import annotations

from typing import Literal

from runner.records.base import Record
from runner.records.report import Problem
from runner.records.sandbox import Check, EngineName

Standing = Literal["enforced", "advisory", "unavailable", "unknown"]
"""Tried and held / does not hold, and runs say so / does not hold / could not be asked."""


class Guarantee(Record):
    """One promise, and what became of it when it was tried."""

    name: str
    standing: Standing
    detail: str
    remedy: str = ""
    required: bool = True
    """Without it no run starts, or `doctor` does not call this machine ready."""

    @property
    def failed(self) -> bool:
        return self.required and self.standing != "enforced"


class EngineFindings(Record):
    """One engine on this machine."""

    engine: EngineName
    chosen: bool
    """Runs with these settings use it."""
    guarantees: tuple[Guarantee, ...]

    @property
    def works(self) -> bool:
        return not any(guarantee.failed for guarantee in self.guarantees)

    def enforces(self, *names: str) -> bool:
        """Whether each of these was tried and held."""
        held = {each.name for each in self.guarantees if each.standing == "enforced"}
        return held.issuperset(names)


class Version(Record):
    """Of one tool. Nothing is refused for it: distributions mend old versions."""

    name: str
    version: str
    warning: str = ""
    """E.g. the CVEs its number stands for."""


class Diagnosis(Record):
    """`doctor --json`."""

    ready: bool
    engines: tuple[EngineFindings, ...]
    readiness: tuple[Guarantee, ...]
    """Ten points."""
    versions: tuple[Version, ...]
    problems: tuple[Problem, ...]
    """Why not ready, the most important first."""


def guaranteed(check: Check) -> Guarantee:
    """An engine's check as a promise."""
    standing: Standing = "enforced" if check.ok else "unavailable" if check.required else "advisory"
    return Guarantee(
        name=check.name,
        standing=standing,
        detail=check.detail,
        remedy=check.remedy,
        required=check.required,
    )
