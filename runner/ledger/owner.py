"""Which process a run belongs to: `pid:starttime`, so that a reused pid is not mistaken for it."""

from __future__ import annotations

import os
from pathlib import Path

_START_TIME = 22 - 3
"""Index of field 22 of /proc/PID/stat among the fields behind the command name (proc(5))."""


def this_process() -> str:
    """`pid:starttime` of the caller, start time in clock ticks since boot."""
    return f"{os.getpid()}:{_start_time(os.getpid())}"


def alive(owner: str) -> bool:
    """Does the process written as `pid:starttime` still run? A broken text is a dead process."""
    pid, _, started = owner.strip().partition(":")
    return pid.isascii() and pid.isdigit() and bool(started) and _start_time(int(pid)) == started


def _start_time(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The command name may itself contain blanks and brackets: the fields start after the last one.
    fields = stat.rpartition(")")[2].split()
    return fields[_START_TIME] if fields[0] != "Z" else None
