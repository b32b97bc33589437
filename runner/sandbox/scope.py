"""A control group by this user's own systemd, for runners that may not make one themselves.

`systemd-run --user --scope` asks for a group with limits, enters it and becomes the command. What
holds then is not believed but read back from the group.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache

from runner import process
from runner.errors import InfraError
from runner.records.sandbox import Walls

SYSTEMD_RUN = ("systemd-run", "--user", "--scope", "--quiet", "--collect")
TRIAL_S = 5.0


def user_manager() -> Mapping[str, str] | None:
    """The environment in which this user's systemd is found; None = there is none that answers."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return _answering(runtime)


@dataclass(frozen=True, slots=True)
class Scope:
    """What stands before a command, and its environment; the command itself gets an empty one."""

    controllers: Set[str] = frozenset()
    argv: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)


def around(walls: Walls, controllers: Set[str]) -> Scope:
    """A scope with limits of `controllers`; none when there is no manager, or nothing to limit."""
    env = user_manager() if controllers else None
    return Scope() if env is None else Scope(controllers, _argv(walls, controllers), env)


def _argv(walls: Walls, controllers: Set[str]) -> list[str]:
    properties = {
        "memory": (f"MemoryMax={walls.memory_mib}M", "MemorySwapMax=0"),
        "pids": (f"TasksMax={walls.pids}",),
        "cpu": (f"CPUQuota={walls.cpus * 100}%",),
    }
    asked = [f"--property={text}" for name in sorted(controllers) for text in properties[name]]
    return [*SYSTEMD_RUN, *asked, "--", "/usr/bin/env", "-i"]


@cache
def _answering(runtime: str) -> Mapping[str, str] | None:
    """Tried once: first whether somebody listens, then with a real scope."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(TRIAL_S)
            link.connect(f"{runtime}/systemd/private")
    except OSError:
        return None
    found = process.clean_env({"XDG_RUNTIME_DIR": runtime})
    trial = [*SYSTEMD_RUN, "--", "/usr/bin/env", "-i", "/bin/true"]
    try:
        ended = process.run(trial, env=found, timeout_s=TRIAL_S)
    except InfraError:
        return None
    return found if ended.code == 0 else None
