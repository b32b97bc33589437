"""A command that the gate allowed, while it runs: when that is taken back, it ends with all that it
started, be it in a session of its own."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from runner import strays
from runner.errors import ConfigError, InfraError, RefusedError

LOOK_S = 1.0
UNHEARD_S = 60.0
"""A gate that is gone for longer can stop nothing, so nothing goes on."""
ENDING_S = 10.0
"""For what starts others faster than it is ended."""
_ADOPT_ORPHANS = 36
"""PR_SET_CHILD_SUBREAPER, prctl(2)."""


def executed(argv: Sequence[str], refusal: Callable[[], str]) -> int:
    """Its exit code, -N = signal N; its input, output and terminal are ours. `refusal`: why the
    gate does not let it go on, asked now and then; empty = it does.

    Raises:
        ConfigError: it cannot be started.
        RefusedError: it was ended.
    """
    ctypes.CDLL(None).prctl(_ADOPT_ORPHANS, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGQUIT):  # the terminal tells the child as well
        signal.signal(number, signal.SIG_IGN)
    try:
        os.close(os.pidfd_open(os.getpid()))  # where that is forbidden, nothing could be followed
        default = (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE)
        child = os.posix_spawnp(argv[0], [*argv], os.environ, setsigdef=default)
    except OSError as error:
        raise ConfigError(f"cannot start {argv[0]!a}: {error.strerror}", "check it") from error
    before = signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    handle = os.pidfd_open(child)  # until it is reaped its id is its own
    try:
        _follow(handle, refusal)
    finally:
        os.close(handle)
        signal.signal(signal.SIGTERM, before)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _follow(handle: int, refusal: Callable[[], str]) -> None:
    """Until it has ended. Raises RefusedError."""
    heard_at = time.monotonic()
    while not select.select([handle], [], [], LOOK_S)[0]:
        try:
            why = refusal()
        except InfraError as error:
            if time.monotonic() - heard_at > UNHEARD_S:
                _end(error.problem)
            continue
        heard_at = time.monotonic()
        if why:
            _end(why)


def _end(why: str) -> None:
    """Whoever's parent dies becomes our child, and is ended in its turn. Raises RefusedError."""
    until, left = time.monotonic() + ENDING_S, [*_children()]
    while left and time.monotonic() < until:
        for pid in left:
            with suppress(OSError):  # somebody else's now: told below
                strays.end(pid, _is_ours)
        left = [*_children()]
    alive = f"; still alive: process {', '.join(map(str, left))}" if left else ""
    raise RefusedError(f"it was ended while it ran: {why}{alive}", "codex-runner kill list")


def _children() -> Iterator[int]:
    return filter(_is_ours, strays.pids())


def _is_ours(pid: int) -> bool:
    """A child of this process that is not dead yet."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    state, parent = stat.rpartition(")")[2].split()[:2]  # behind the name, which may be anything
    return state != "Z" and int(parent) == os.getpid()
