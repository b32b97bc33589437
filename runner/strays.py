"""Processes that outlived the runner they worked for: found by what the kernel knows of them."""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Callable, Iterator, Set
from contextlib import suppress
from pathlib import Path

from runner.process import MARK

DEATH_S = 5.0

Is = Callable[[int], bool]
"""Whether the process with this pid is one of those meant."""


def works_for(owners: Set[str]) -> Is:
    """Started by one of these (`lifetime.this_process()`), directly or by what it started."""
    marks = {f"{MARK}={owner}".encode() for owner in owners}

    def works(pid: int) -> bool:
        try:
            return not marks.isdisjoint(Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"))
        except OSError:
            return False

    return works


def says(word: str) -> Is:
    """Has this in its command line, whichever sandbox it is in."""

    def has(pid: int) -> bool:
        try:
            return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return has


def pids() -> Iterator[int]:
    """Of all processes but this one."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            yield int(name)


def end(pid: int, meant: Is) -> None:
    """Kill a process if it is still one of those meant.

    Raises:
        OSError: it is not ours to kill, or cannot die.
    """
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if not meant(pid):  # asked again: from now on the number is no other process's
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not select.select([handle], [], [], DEATH_S)[0]:
            raise TimeoutError(errno.ETIMEDOUT, f"it survived SIGKILL for {DEATH_S:g} s")
    finally:
        os.close(handle)
