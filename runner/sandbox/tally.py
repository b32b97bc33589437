"""Counts what a directory takes on disk while a stranger goes on writing to it.

No link is followed and nothing but directories is opened, one component at a time; a directory that
is renamed meanwhile is read on where it went, which is inside the same workspace. Both counts are
iterators: whoever runs them stops where they like, after a wall or a moment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.records.sandbox import WORK
from runner.sandbox.members import GONE, members

MAX_DEPTH = 128
"""Deeper directories are not opened: each level takes descriptors."""
BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system's is."""
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NOATIME | os.O_CLOEXEC


@dataclass(slots=True)
class Tally:
    """What was counted so far."""

    bytes: int = 0
    """Blocks in use: holes do not count, directories and attributes do."""
    entries: int = 0
    hidden: bool = False
    """Some directory could not be looked into."""

    def add(self, status: os.stat_result) -> None:
        """Every link is an entry; a file's blocks are shared out among its links."""
        self.entries += 1
        self.bytes += status.st_blocks * BLOCK_BYTES // max(1, status.st_nlink)


def walk(root: Path, tally: Tally) -> Iterator[None]:
    """Counts everything below `root`, one entry at a time."""
    opened: list[tuple[int, Iterator[os.DirEntry[str]]]] = []
    try:
        _enter(opened, os.fspath(root), None, tally)
        while opened:
            handle, entries = opened[-1]
            entry = next(entries, None)
            if entry is None:
                _leave(opened)
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    tally.entries += 1
                    tally.bytes += status.st_blocks * BLOCK_BYTES
                    _enter(opened, entry.name, handle, tally)
                else:
                    tally.add(status)
            yield
    finally:
        while opened:
            _leave(opened)


def _enter(
    opened: list[tuple[int, Iterator[os.DirEntry[str]]]],
    name: str,
    parent: int | None,
    tally: Tally,
) -> None:
    if len(opened) >= MAX_DEPTH:
        tally.hidden = True
        return
    try:
        handle = os.open(name, _OPEN, dir_fd=parent)
    except (FileNotFoundError, NotADirectoryError):  # gone, or another thing by now
        return
    except OSError:  # closed to us, or no descriptor left
        tally.hidden = True
        return
    opened.append((handle, os.scandir(handle)))


def _leave(opened: list[tuple[int, Iterator[os.DirEntry[str]]]]) -> None:
    handle, entries = opened.pop()
    entries.close()  # type: ignore[attr-defined]
    os.close(handle)


def held(first: int, tally: Tally) -> Iterator[None]:
    """Counts deleted files of the workspace that processes below `first` hold open.

    Where the processes cannot be seen nothing is counted.
    """
    seen: set[int] = set()
    with suppress(OSError):
        device = os.stat(f"/proc/{first}/root{WORK}").st_dev
        for pid in members(first):
            for status in _deleted(pid, device):
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    tally.add(status)
                yield


def _deleted(pid: int, device: int) -> Iterator[os.stat_result]:
    with suppress(*GONE), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with suppress(*GONE):
                status = descriptor.stat()
                if status.st_dev == device and not status.st_nlink:
                    yield status
