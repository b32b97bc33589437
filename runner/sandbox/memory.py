"""What bounds a sandbox's memory where no control group can be made: a watcher.

It counts anonymous memory, scratch directories and their inodes. It cannot count a file in memory
that nobody maps, or a tmpfs of the sandbox's own making; like everything written between two looks
these end when the machine runs low, as they would by the kernel's own choice. One process gets 30
MiB past its wall, a fork bomb some hundred. So `memory_mib` is still told as not enforced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from runner.records.sandbox import Scratch
from runner.sandbox.members import GONE, members

KIB, MIB = 1024, 1024 * 1024
LOOK_S = 0.05
INODE_BYTES = 1280
"""An empty file on a tmpfs: its inode and its name."""
RESERVE_BYTES = 256 * MIB
RESERVE_PART = 32
"""The machine is low below the reserve, or below this part of a small machine's memory."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Memory:
    """The wall `memory_mib` of one sandbox."""

    def __init__(self, limit_mib: int, scratch: Sequence[Scratch]) -> None:
        self._limit_bytes, self._scratch = limit_mib * MIB, scratch
        self._next_at = 0.0

    def over(self, first: int) -> bool:
        """Whether the sandbox of this first process has to go."""
        if monotonic() < self._next_at:
            return False
        files_bytes = sum(_scratch_bytes(first, scratch) for scratch in self._scratch)
        pids = [*members(first)]
        over = files_bytes + sum(map(_private_bytes, pids)) > self._limit_bytes and (
            files_bytes + sum(map(_shared_out_bytes, pids)) > self._limit_bytes
        )
        self._next_at = monotonic() + LOOK_S
        return over or _is_low(_kibibytes(Path("/proc/meminfo")))


def _private_bytes(pid: int) -> int:
    """Quick, and too much where processes share what they had before they forked."""
    with suppress(*GONE):
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
        return (resident - shared) * PAGE_BYTES
    return 0


def _shared_out_bytes(pid: int) -> int:
    """Each page divided by the number of processes that have it."""
    with suppress(*GONE):
        return _kibibytes(Path(f"/proc/{pid}/smaps_rollup")).get("Pss_Anon", 0) * KIB
    return 0


def _scratch_bytes(first: int, scratch: Scratch) -> int:
    """Known by its size: before it is mounted something of this machine is seen in its place."""
    with suppress(OSError):
        status = os.statvfs(f"/proc/{first}/root{scratch.target}")
        if status.f_blocks * status.f_frsize == scratch.mib * MIB:
            used_bytes = (status.f_blocks - status.f_bfree) * status.f_frsize
            return used_bytes + (status.f_files - status.f_ffree) * INODE_BYTES
    return 0


def _is_low(machine: dict[str, int]) -> bool:
    total, available = machine["MemTotal"] * KIB, machine["MemAvailable"] * KIB
    return available < min(RESERVE_BYTES, total // RESERVE_PART)


def _kibibytes(path: Path) -> dict[str, int]:
    """`Name:  123 kB` lines."""
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if row[-1] == "kB"}
