"""Limits that the kernel holds for each process by itself: the same in both engines.

No limit of address space or data: runtimes reserve far more than they use, so memory is bounded by
what is in use. None of the stack, which is memory like any other.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.records.sandbox import Walls

MIB = 1024 * 1024
MEMLOCK_BYTES = 64 * 1024
"""Linux's own default for long; pages that cannot be reclaimed."""
MSGQUEUE_BYTES = 819_200
"""Linux's own default."""
SIGPENDING = 1024
"""Signals queued and timers; kernel memory."""
FIRST_TO_GO = 1000
"""oom_score_adj, when the machine itself runs out of memory. Without a privileged runner or engine
a sandbox can take this back."""


def rlimits(walls: Walls) -> Mapping[str, int]:
    """By what setrlimit(2) calls them, in lower case and without the prefix. All are at most what
    the kernel starts with: raising one would need a right that engines may lack."""
    return {
        "core": 0,
        "fsize": walls.file_mib * MIB,
        "memlock": MEMLOCK_BYTES,
        "msgqueue": MSGQUEUE_BYTES,
        "nice": 0,
        "nofile": walls.open_files,
        "rtprio": 0,
        "sigpending": SIGPENDING,
    }
