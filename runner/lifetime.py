"""Which process something belongs to: a name that no other one has before the next boot."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal

_STATE, _START_TIME = 0, 22 - 3
"""Indices of fields 3 and 22 of /proc/PID/stat among those behind the command name (proc(5))."""

Standing = Literal["alive", "dead", "hidden"]
"""Hidden: of another boot or pid namespace, or not to be seen by this user. It may be alive."""


def this_process() -> str:
    """`boot/pid-namespace/pid:ticks`, the last being the start in clock ticks since boot."""
    return _name_of(os.getpid())


def standing(name: str) -> Standing:
    """Of the process that `this_process()` named so. A broken name is a dead one's."""
    scope, _, process = name.strip().rpartition("/")
    pid, _, ticks = process.partition(":")
    if not (pid.isascii() and pid.isdigit() and len(pid) < 10 and ticks):
        return "dead"
    if scope and scope != _scope():
        return "hidden"
    began = start_ticks(int(pid))
    if began is not None:
        return "alive" if began == ticks else "dead"
    return "hidden" if _is_hidden(int(pid)) else "dead"


def start_ticks(pid: int) -> str | None:
    """Clock ticks from boot to the start of `pid`; None = no such process, or a zombie."""
    fields = _fields(pid)
    return fields[_START_TIME] if fields and fields[_STATE] != "Z" else None


@cache
def _name_of(pid: int) -> str:
    """Kept by pid: a forked process is another one."""
    return f"{_scope()}/{pid}:{start_ticks(pid)}"


@cache
def _scope() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"


def _fields(pid: int) -> list[str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return []
    # The command name may itself contain blanks and brackets: the fields start after the last one.
    return stat.rpartition(")")[2].split()


def _is_hidden(pid: int) -> bool:
    """/proc mounted with hidepid shows no stranger's process; the kernel still knows it."""
    if _fields(pid):  # a zombie
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
