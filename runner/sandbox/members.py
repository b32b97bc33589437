"""The processes of a sandbox, seen from the host: its first one and all below it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GONE = (FileNotFoundError, ProcessLookupError)
"""What reading /proc of a process says that has just ended."""


def members(first: int) -> Iterator[int]:
    """`first` and its descendants; what is orphaned inside a sandbox stays below its first process.

    A snapshot of something that moves: a process may be missed, none is told twice.
    """
    waiting, seen = [first], {first}
    while waiting:
        pid = waiting.pop()
        yield pid
        fresh = [child for child in _children(pid) if child not in seen]
        seen.update(fresh)
        waiting += fresh


def _children(pid: int) -> Iterator[int]:
    """Each thread lists those it made."""
    with suppress(*GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*GONE):
                yield from map(int, (thread / "children").read_text().split())
