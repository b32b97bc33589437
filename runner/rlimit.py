"""Limits on what a child may use, set from outside: no code runs in it for that."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from contextlib import suppress


def limit(pid: int, limits: Mapping[int, int]) -> None:
    """Lower what a child may use, and all it starts from now on; never raises a limit."""
    with suppress(ProcessLookupError):
        for kind, value in limits.items():
            _, hard = resource.prlimit(pid, kind)
            lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, kind, (lowest, lowest))
