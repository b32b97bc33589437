"""Private directories that live as long as their process: `STATE/live/ID`, locked beside it.

The kernel drops the lock of a process that dies, whatever killed it and in whichever pid
namespace it lived: who gets the lock may clean up.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from runner.lifetime import this_process
from runner.remove import remove_tree

LIVE = "live"
SUFFIX = ".lock"
GUARD = ".guard"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,99}")
"""Of a lease. Anything else in the directory is not ours to look into or to remove."""
_NAME_BYTES = 200
_LOCK = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Lease:
    """`path` is ours until `close()`."""

    path: Path
    lock: int
    owner: str
    """The process it was taken by, as `lifetime.this_process()` names it."""

    def close(self) -> None:
        remove_tree(self.path)
        _lock_of(self.path).unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave everything as it is, to whoever looks next."""
        os.close(self.lock)


def take(parent: Path, name: str | None = None) -> Lease:
    """A fresh directory in `parent`. Its owner is on disk before it is.

    Raises:
        FileExistsError: that name is taken.
        ValueError: it is none for a lease.
    """
    name = name or secrets.token_hex(6)
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a lease: {name!r}")
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with exclusive(parent / GUARD):
        path = parent / name
        lock = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.write(lock, this_process().encode())
        path.mkdir(mode=0o700)
    return Lease(path, lock, this_process())


def dead(parent: Path) -> list[Lease]:
    """Leases of processes that are gone. They are the caller's now: to be closed, or released."""
    if not parent.is_dir():
        return []
    with exclusive(parent / GUARD):
        for orphan in parent.iterdir():  # a directory is made after its lock and goes before it
            if not orphan.name.endswith(SUFFIX) and _is_lease(orphan):
                with suppress(OSError):  # what lies in its lock's place is told by `strange()`
                    os.close(os.open(_lock_of(orphan), _LOCK | os.O_CREAT, 0o600))
        return [lease for lock in _locks(parent) if (lease := _adopted(lock))]


def held(parent: Path, name: str) -> bool | None:
    """Is the process alive that took this name? None = nobody has it."""
    lock = _lock_of(parent / name)
    if not _is_lease(lock):
        return None
    try:
        os.close(hold(lock, fcntl.LOCK_SH | fcntl.LOCK_NB, create=False))
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def found(parent: Path) -> set[bool]:
    """True = there is a lease of a living process, False = there is one of a process that died."""
    names = (lock.name.removesuffix(SUFFIX) for lock in _locks(parent))
    return {alive for name in names if (alive := held(parent, name)) is not None}


def strange(parent: Path) -> list[str]:
    """What lies there and is no lease of this user: to be told, and left alone."""
    if not parent.is_dir():
        return []
    return sorted(str(p) for p in parent.iterdir() if p.name != GUARD and not _is_lease(p))


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold an advisory lock; waits for whoever has it."""
    handle = hold(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(handle)


def hold(lock: Path, kind: int, *, create: bool = True) -> int:
    """Lock a file until the returned descriptor is closed.

    Raises:
        BlockingIOError: somebody has it, and `kind` says LOCK_NB.
        OSError: it cannot be opened, or is no regular file.
    """
    handle = os.open(lock, _LOCK | (os.O_CREAT if create else 0), 0o600)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(lock))
        fcntl.flock(handle, kind)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _locks(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(
        path for path in parent.iterdir() if path.name.endswith(SUFFIX) and _is_lease(path)
    )


def _is_lease(path: Path) -> bool:
    """Is that the directory of a lease of this user, or the lock of one?"""
    kind = stat.S_ISREG if path.name.endswith(SUFFIX) else stat.S_ISDIR
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    own = found.st_uid == os.geteuid()
    return own and kind(found.st_mode) and bool(_NAME.fullmatch(path.name.removesuffix(SUFFIX)))


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)


def _adopted(lock: Path) -> Lease | None:
    try:
        handle = hold(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
    except OSError:
        return None
    if not os.fstat(handle).st_nlink:  # its owner closed it while we came
        os.close(handle)
        return None
    owner = os.pread(handle, _NAME_BYTES, 0).decode(errors="replace")
    return Lease(lock.with_name(lock.name.removesuffix(SUFFIX)), handle, owner)
