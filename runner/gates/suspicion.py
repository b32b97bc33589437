"""One place where a change makes tests weaker, or may."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Told to the author as a refusal, or only to the reviewer as a warning."""

    code: str
    path: str
    line: int
    what: str
    only_a_warning: bool = False
