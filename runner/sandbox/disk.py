"""How much disk one sandbox's workspace takes, looked at while the sandbox runs.

A watcher, not a quota. What would hold by itself was weighed: loop files and project quotas need
root, the latter also a file system made for them, the former leave a mount behind a runner that is
killed; a tmpfs takes the workspace from the memory wall. So the watcher is quick instead: every
look asks the file system for its free space, and when that has changed the tree is walked. Nothing
takes space faster than it can be written, because the system call filter refuses `fallocate`. What
is written between two looks comes on top: 20 to 90 MiB on two processors.

What a walk cannot see, the file system still lost. Directories that are closed to the runner are
charged with all of that; deleted files are found by the descriptors that hold them. What has no
descriptor (only mapped, or in flight between processes) is found by nobody, and ends at the reserve
that is always left to the host.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from runner.errors import InfraError
from runner.ports import Watch
from runner.records.sandbox import Overlay, SandboxSpec, StopReason, Walls
from runner.sandbox.tally import Tally, held, walk

MIB = 1024 * 1024
RESERVE_MIB = 512
"""A file system with less free space is full, whoever filled it."""
LOOK_S = 0.05
"""Longest time a look takes, and the shortest between two."""
REST = 9
"""A walk that took n seconds is followed by n times as many without one, unless it is urgent."""

First = Callable[[], int | None]
"""Tells a sandbox's first process; None = it cannot be seen from here."""


class Space(NamedTuple):
    """Room on a file system, free or taken."""

    bytes: int
    inodes: int

    def minus(self, other: Space) -> Space:
        return Space(self.bytes - other.bytes, self.inodes - other.inodes)

    def exceeds(self, other: Space) -> bool:
        """In either way."""
        return self.bytes > other.bytes or self.inodes > other.inodes


def free_at(path: Path) -> Space:
    """What the file system of `path` has for an ordinary user; some make inodes as needed."""
    status = os.statvfs(path)
    return Space(
        status.f_bavail * status.f_frsize, status.f_favail if status.f_files else sys.maxsize
    )


class Disk:
    """The walls `disk_mib` and `entries` of one workspace."""

    def __init__(
        self,
        overlay: Overlay,
        walls: Walls,
        first: First = lambda: None,
        free: Callable[[Path], Space] = free_at,
    ) -> None:
        """Raises InfraError: the file system has no room for what the walls allow."""
        self._overlay, self._first, self._free_at = overlay, first, free
        self._limit = Space(walls.disk_mib * MIB, walls.entries)
        self._most = self._seen = self._free()
        self._tally = self._last = Tally()
        self._walk: Generator[None, None, None] | None = None
        self._cost_s = self._next_at = self._rested_at = 0.0
        wanted_mib = walls.disk_mib + RESERVE_MIB
        if self._most.bytes < wanted_mib * MIB:
            raise self._full(self._most, f"disk_mib and a reserve need {wanted_mib} MiB")
        if self._most.inodes < walls.entries:
            raise self._full(self._most, f"entries needs {walls.entries} files")

    def over(self) -> StopReason | None:
        """The wall that was passed, if any; takes `LOOK_S` at most, however large the tree is.

        Raises:
            InfraError: the file system is full.
        """
        began = monotonic()
        if began < self._next_at:
            return None
        free = self._free()
        if free.bytes < RESERVE_MIB * MIB:
            raise self._full(free, f"the last {RESERVE_MIB} MiB are kept for this machine")
        self._most = Space(*map(max, self._most, free))
        if self._walk is None and self._is_due(free, began):
            self._seen, self._tally, self._cost_s = free, Tally(), 0.0
            self._walk = self._look()
        reason = self._go_on(began + LOOK_S)
        self._next_at = monotonic() + LOOK_S
        self._cost_s += monotonic() - began
        return reason

    def close(self) -> None:
        """Lets go of the directories that an unfinished walk holds open."""
        if self._walk is not None:
            self._walk.close()

    def _free(self) -> Space:
        return self._free_at(self._overlay.upper)

    def _is_due(self, free: Space, now: float) -> bool:
        """Something has changed, and the last walk is long ago or what it left has been used up.
        Where inodes are made as needed, small files change nothing that could be seen."""
        changed = free != self._seen or free.inodes == sys.maxsize
        left = self._limit.minus(Space(self._last.bytes, self._last.entries))
        urgent = self._seen.minus(free).exceeds(left)
        return changed and (urgent or now >= self._rested_at)

    def _go_on(self, until: float) -> StopReason | None:
        if self._walk is None:
            return None
        for _ in self._walk:
            if self._tally.bytes > self._limit.bytes:
                return "disk"
            if self._tally.entries > self._limit.inodes:
                return "entries"
            if monotonic() > until:
                return None
        self._walk, self._last = None, self._tally
        self._rested_at = monotonic() + REST * self._cost_s
        return None

    def _look(self) -> Generator[None, None, None]:
        """1. What the sandbox wrote. 2. overlayfs's own directory, which it closes to ordinary
        users. 3. When more is gone than the walls allow: what else the sandbox holds."""
        tally = self._tally
        yield from walk(self._overlay.upper, tally)
        hidden = tally.hidden
        yield from walk(self._overlay.work, tally)
        gone = self._most.minus(self._free())
        if hidden:
            tally.bytes = max(tally.bytes, gone.bytes)
            tally.entries = max(tally.entries, gone.inodes)
            yield
        first = self._first() if gone.exceeds(self._limit) else None
        if first is not None:
            yield from held(first, tally)

    def _full(self, free: Space, why: str) -> InfraError:
        left = f"{free.bytes // MIB} MiB and {free.inodes} files free"
        return InfraError(
            f"the disk of {self._overlay.upper} has {left}: {why}",
            "free some space, or lower disk_mib and entries under [limits]",
        )


class _Bounded:
    """The `Watch` of a sandbox with a workspace: asks the disk, then whom it stands for."""

    def __init__(self, watch: Watch, disk: Disk) -> None:
        self._watch, self._disk = watch, disk
        self.stdout, self.stderr = watch.stdout, watch.stderr

    def stop(self) -> StopReason | None:
        return self._disk.over() or self._watch.stop()


@contextmanager
def bounded(watch: Watch, spec: SandboxSpec, first: First = lambda: None) -> Iterator[Watch]:
    """`watch`, which now stops the sandbox at its walls `disk_mib` and `entries`, too.

    Raises:
        InfraError: the disk has no room for what they allow.
    """
    if spec.workspace is None:
        yield watch
        return
    with closing(Disk(spec.workspace, spec.walls, first)) as disk:
        yield _Bounded(watch, disk)
