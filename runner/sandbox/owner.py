"""Whose a container is: tells what a killed runner left behind from work that goes on."""

from __future__ import annotations

import time
from collections.abc import Mapping

from runner.lifetime import standing, this_process
from runner.records.base import RunId
from runner.records.sandbox import Role

LABEL = "codex-runner"
OWNER = f"{LABEL}.owner"
DEADLINE = f"{LABEL}.deadline"
"""Unix seconds after which nobody can need it any more."""


def labels(run: RunId, role: Role, life_s: float) -> dict[str, str]:
    """What is written on everything made for this process."""
    return {
        LABEL: "1",
        f"{LABEL}.run": run,
        f"{LABEL}.role": role,
        OWNER: this_process(),
        DEADLINE: str(int(time.time() + life_s)),
    }


def abandoned(found: Mapping[str, str]) -> bool:
    """Its owner was a process here and has ended, or is not seen here and its deadline is over.

    An owner this process cannot see (another machine or container with the same engine, an
    earlier boot) may be alive: only the deadline counts then.
    """
    deadline = found.get(DEADLINE, "0")
    over = not deadline.isascii() or not deadline.isdigit() or int(deadline) < time.time()
    whose = standing(found.get(OWNER, ""))
    return whose == "dead" or (over and whose == "hidden")
