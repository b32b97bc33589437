"""Which process a run belongs to: `pid:starttime`, so that a reused pid is not mistaken for it."""

from __future__ import annotations

import os

from runner.lifetime import start_ticks


def this_process() -> str:
    """`pid:starttime` of the caller, start time in clock ticks since boot."""
    return f"{os.getpid()}:{start_ticks(os.getpid())}"


def alive(owner: str) -> bool:
    """Does the process written as `pid:starttime` still run? A broken text is a dead process."""
    pid, _, started = owner.strip().partition(":")
    return pid.isascii() and pid.isdigit() and bool(started) and start_ticks(int(pid)) == started
