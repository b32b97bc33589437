"""Removal of trees an agent made: any depth, any modes, no link ever followed."""

from __future__ import annotations

import itertools
import os
import secrets
import stat
from pathlib import Path

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a directory of ours with everything in it; one that is absent is fine.

    Every directory below is first moved up into `path`, then emptied: two open directories and
    short names do for any depth, without recursion.
    """
    try:
        top = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        _empty(top)
    finally:
        os.close(top)
    path.rmdir()


def _empty(top: int) -> None:
    fresh = map(f".{secrets.token_hex(8)}-{{}}".format, itertools.count())
    waiting = os.listdir(top)
    while waiting:
        name = waiting.pop()
        if not _is_directory(name, top):
            os.unlink(name, dir_fd=top)
            continue
        _unlock(name, top)
        number = os.open(name, _DIRECTORY, dir_fd=top)
        try:
            for child in os.listdir(number):
                if _is_directory(child, number):
                    _unlock(child, number)  # moving a directory rewrites its `..`
                    moved = next(fresh)
                    os.rename(child, moved, src_dir_fd=number, dst_dir_fd=top)
                    waiting.append(moved)
                else:
                    os.unlink(child, dir_fd=number)
        finally:
            os.close(number)
        os.rmdir(name, dir_fd=top)


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _unlock(name: str, parent: int) -> None:
    """Give the owner all rights on a directory, through a handle that cannot be a link."""
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)
    finally:
        os.close(handle)
