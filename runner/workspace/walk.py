"""The upper directory of a dead sandbox, looked at once: bounded, no link followed, nothing run.

1. Directories are opened by handle, one component at a time, never through a link.
2. Types are decided by lstat before anything is opened: no FIFO can hang the walk.
3. Whatever git could not or should not carry is refused here, by its path.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from runner.errors import RefusedError
from runner.records.paths import encode_path
from runner.workspace.names import COVERED, is_dot_git
from runner.workspace.trees import join

MAX_ENTRIES = 200_000
MAX_DEPTH = 100
MAX_PATH_BYTES = 2000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SPECIAL = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}

OUTSIDE = "keep such files outside the workspace, e.g. in /tmp"

Namespace = Literal["user.overlay.", "trusted.overlay."]


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of the upper directory. Parents come before their children."""

    path: bytes
    kind: Literal["file", "link", "directory", "whiteout"]
    executable: bool = False
    size: int = 0
    target: bytes = b""
    opaque: bool = False
    """Nothing of the lower directory shows through."""
    redirect: bytes | None = None
    """Where the lower directory really is: `/from/the/root`, or a sibling's name."""


def refuse(path: bytes, what: str, remedy: str = OUTSIDE) -> RefusedError:
    """The error that names one entry."""
    return RefusedError(f"the change holds {encode_path(path)}: {what}", remedy)


def walk(upper: Path, namespace: Namespace) -> Iterator[Found]:
    """Everything in `upper`, depth first, parents first.

    Raises:
        RefusedError: an entry that must not exist, named by its path; too many; too deep.
    """
    seen = 0
    root = os.open(upper, _OPEN | os.O_DIRECTORY)
    opened = [(b"", root, False, iter(_names(root)))]
    try:
        while opened:
            directory, handle, has_xwhiteouts, names = opened[-1]
            name = next(names, None)
            if name is None:
                os.close(opened.pop()[1])
                continue
            seen += 1
            path = join(directory, os.fsencode(name))
            _check_bounds(path, seen)
            status = os.stat(name, dir_fd=handle, follow_symlinks=False)
            if directory == b"" and os.fsencode(name) in COVERED:
                _check_cover(path, name, handle, status)
                continue
            if is_dot_git(os.fsencode(name)):
                raise refuse(path, "a name that git or a file system takes for .git")
            if not stat.S_ISDIR(status.st_mode):
                yield _leaf(path, name, handle, status, namespace if has_xwhiteouts else None)
                continue
            child = _open_directory(path, name, handle, status)
            opened.append((path, child, False, iter(())))
            found, shows_xwhiteouts = _directory(path, child, namespace)
            opened[-1] = (path, child, shows_xwhiteouts, iter(_names(child)))
            yield found
    finally:
        for _, handle, _, _ in opened:
            os.close(handle)


@contextmanager
def opened_file(upper: Path, found: Found) -> Iterator[int]:
    """A regular file of the walk, opened one component at a time without following links.

    Raises:
        RefusedError: it is no longer what the walk saw.
    """
    handle = os.open(upper, _OPEN | os.O_DIRECTORY)
    try:
        for part in found.path.split(b"/"):
            below = os.open(part, _OPEN, dir_fd=handle)
            os.close(handle)
            handle = below
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size != found.size:
            raise refuse(found.path, "a file that changed after the sandbox ended")
        yield handle
    finally:
        os.close(handle)


def _names(handle: int) -> list[str]:
    """Sorted, and never more than it takes to be refused."""
    with os.scandir(handle) as entries:
        return sorted(entry.name for entry in islice(entries, MAX_ENTRIES + 1))


def _check_bounds(path: bytes, seen: int) -> None:
    if seen > MAX_ENTRIES:
        raise RefusedError(
            f"the sandbox wrote more than {MAX_ENTRIES} files and directories",
            "let the task write its bulk outside the workspace, e.g. to /tmp",
        )
    if path.count(b"/") >= MAX_DEPTH or len(path) > MAX_PATH_BYTES:
        raise refuse(path[:200], f"deeper than {MAX_DEPTH} levels or {MAX_PATH_BYTES} bytes")


def _check_cover(path: bytes, name: str, parent: int, status: os.stat_result) -> None:
    """An engine may have left an empty mount point; anything else was never visible."""
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        return
    if stat.S_ISDIR(status.st_mode):
        child = _open_directory(path, name, parent, status)
        try:
            if not os.listdir(child):
                return
        finally:
            os.close(child)
    raise refuse(path, "a write under a read-only cover", "report this: the sandbox leaked")


def _open_directory(path: bytes, name: str, parent: int, status: os.stat_result) -> int:
    if status.st_mode & 0o500 != 0o500:  # the same answer for root, who could read it
        raise refuse(path, "a directory its owner cannot read")
    return os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=parent)


def _directory(path: bytes, handle: int, namespace: Namespace) -> tuple[Found, bool]:
    opaque = _attribute(handle, namespace + "opaque")
    redirect = None
    if namespace == "trusted.overlay.":  # the other one knows no redirects
        redirect = _attribute(handle, "trusted.overlay.redirect")
    check_redirect(path, redirect)
    return Found(path, "directory", opaque=opaque == b"y", redirect=redirect), opaque == b"x"


def check_redirect(path: bytes, redirect: bytes | None) -> None:
    """overlayfs writes `/absolute/path` or one plain name.

    Raises:
        RefusedError: it is neither.
    """
    if redirect is None:
        return
    parts = redirect.removeprefix(b"/").split(b"/")
    relative = not redirect.startswith(b"/")
    if {b"", b".", b".."} & set(parts) or (relative and len(parts) > 1):
        raise refuse(path, "a directory with a broken overlay redirect")


def _leaf(
    path: bytes, name: str, parent: int, status: os.stat_result, xwhiteouts: Namespace | None
) -> Found:
    mode = status.st_mode
    if stat.S_ISCHR(mode) and status.st_rdev == 0:
        return Found(path, "whiteout")
    if stat.S_ISLNK(mode):
        return Found(path, "link", target=os.fsencode(os.readlink(name, dir_fd=parent)))
    if not stat.S_ISREG(mode):
        raise refuse(path, _SPECIAL.get(stat.S_IFMT(mode), "a special file"))
    if mode & 0o7000:
        raise refuse(path, "a file with a setuid, setgid or sticky bit", "clear the bit")
    if not mode & 0o400:
        raise refuse(path, "a file its owner cannot read", "give it mode 644")
    if xwhiteouts and not status.st_size and _is_xwhiteout(name, parent, xwhiteouts):
        return Found(path, "whiteout")
    return Found(path, "file", executable=bool(mode & 0o100), size=status.st_size)


def _is_xwhiteout(name: str, parent: int, namespace: Namespace) -> bool:
    handle = os.open(name, _OPEN, dir_fd=parent)
    try:
        return _attribute(handle, namespace + "whiteout") is not None
    finally:
        os.close(handle)


def _attribute(handle: int, name: str) -> bytes | None:
    try:
        return os.getxattr(handle, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP):
            return None
        raise
