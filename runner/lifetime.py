"""When a process began: with its number, a name that is not used twice before the next boot."""

from __future__ import annotations

from pathlib import Path

_START_TIME = 22 - 3
"""Index of field 22 of /proc/PID/stat among the fields behind the command name (proc(5))."""


def start_ticks(pid: int) -> str | None:
    """Clock ticks from boot to the start of `pid`; None = no such process, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The command name may itself contain blanks and brackets: the fields start after the last one.
    fields = stat.rpartition(")")[2].split()
    return fields[_START_TIME] if fields[0] != "Z" else None
