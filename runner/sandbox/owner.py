"""Whose a container is: tells what a killed runner left behind from work that goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from runner.lifetime import start_ticks
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
        OWNER: f"{_scope()}/{os.getpid()}:{start_ticks(os.getpid())}",
        DEADLINE: str(int(time.time() + life_s)),
    }


def abandoned(found: Mapping[str, str]) -> bool:
    """Its deadline is over, or its owner was a process here and has ended.

    An owner this process cannot see (another machine or container with the same engine, an
    earlier boot) may be alive: only the deadline counts then.
    """
    if int(found.get(DEADLINE, "0")) < time.time():
        return True
    scope, _, process = found[OWNER].rpartition("/")
    pid, _, ticks = process.partition(":")
    if scope != _scope():
        return False
    began = start_ticks(int(pid))
    return not _hidden(int(pid)) if began is None else began != ticks


def _scope() -> str:
    """This boot and this pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def _hidden(pid: int) -> bool:
    """/proc mounted with hidepid shows no stranger's process; the kernel still knows it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
