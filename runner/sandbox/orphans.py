"""Sandboxes of bubblewrap that outlived it: killed before it could tie them to its own life.

bubblewrap makes the first process of a sandbox, tells the runner of it, and only then has it die
with its parent. Who kills the runner in these milliseconds kills bubblewrap, but not that process.
"""

from __future__ import annotations

from pathlib import Path

BEGINNING = [b"./bwrap", b"--args"]
"""Of the command line of every bubblewrap of ours, and of its first process."""


def is_orphan(pid: int) -> bool:
    """The first process of a sandbox, and its parent is no bubblewrap of ours."""
    if not _is_ours(pid):
        return False
    rows = (row.partition(":\t") for row in _read(pid, "status").decode().splitlines())
    status = {name: value.split() for name, _, value in rows}
    seen_from_here, *inside = status.get("NSpid", ["0"])
    parent = int(status.get("PPid", ["0"])[0])
    return seen_from_here == str(pid) and inside == ["1"] and not _is_ours(parent)


def _is_ours(pid: int) -> bool:
    return _read(pid, "cmdline").split(b"\0")[:2] == BEGINNING


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
