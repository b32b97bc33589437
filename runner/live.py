"""A private directory that lives as long as its process: killed runs leave nothing for long."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.remove import remove_tree

SUFFIX = ".lock"


@dataclass(frozen=True, slots=True)
class Lease:
    """`path` is ours until `close()`; the kernel drops the lock of a process that dies."""

    path: Path
    lock: int

    def close(self) -> None:
        remove_tree(self.path)
        _lock_of(self.path).unlink(missing_ok=True)
        os.close(self.lock)


def take(parent: Path) -> Lease:
    """A fresh directory in `parent`; directories of dead processes are removed on the way."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive(parent / ".guard"):
        for other in parent.glob("*" + SUFFIX):
            _reap(other)
        path = parent / secrets.token_hex(6)
        lock = hold(_lock_of(path), fcntl.LOCK_EX)
        path.mkdir(mode=0o700)
    return Lease(path, lock)


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold an advisory lock; waits for whoever has it."""
    handle = hold(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def hold(lock: Path, kind: int) -> int:
    """Lock a file until the returned descriptor is closed. Raises BlockingIOError for LOCK_NB."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, kind)
    except BlockingIOError:
        os.close(handle)
        raise
    return handle


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _reap(lock: Path) -> None:
    try:
        handle = hold(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    remove_tree(lock.with_name(lock.name.removesuffix(SUFFIX)))
    lock.unlink(missing_ok=True)
    os.close(handle)
