"""Tries what must fail, in a throw-away workspace.

Whether anything was really changed is for the host to see, from outside. The memory comes last: it
may end everything. `posture_tell.py` runs it.
Runs alone inside sandboxes, under any Python from 3.7 on: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

Asked = Mapping[str, Any]

NEWUSER_NEWNS = 0x10000000 | 0x00020000
REMOUNT, BIND, MOVE, RECURSIVE, PRIVATE = 32, 4096, 8192, 16384, 1 << 18
DETACH = 2
EXCHANGE, HERE = 2, -100
KERNEL_FILES = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger")
MIB = 1024 * 1024
CHUNK = b"x" * 65536
SLACK = 8
"""How far beyond a limit is tried."""
HOLD_S = 0.3
"""Long enough for a watcher to notice; a control group has killed before."""


def protected(asked: Asked) -> object:
    """Attempts on each protected directory -> the error's name, empty when it succeeded."""
    work = asked["work"]
    _create(os.path.join(work, asked["made"]))
    told = {"rename " + work: _outcome(lambda: _swap(work, work + "-moved"))}
    for name in asked["protected"]:
        at = os.path.join(work, name)
        for what, attempt in _attempts(at).items():
            told[what + " " + name] = _outcome(attempt)
    return told


def overmounted(asked: Asked) -> object:
    """The same and more by the root of new namespaces: `{"namespaces": made, "done": WHAT}`.

    A mount over a directory is that root's own affair; what comes through it is not.
    """
    return _in_child(lambda: _as_nested_root(asked["work"], asked["protected"]))


def rlimits(_: Asked) -> object:
    names = ("FSIZE", "NOFILE", "CORE", "NPROC")
    return {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names}


def file_bytes(asked: Asked) -> object:
    """Largest file that could be written, up to a little more than the limit."""
    return _in_child(lambda: _fill(asked["scratch"], asked["file_bytes"] + len(CHUNK)))


def open_files(asked: Asked) -> object:
    """Most descriptors, up to a few more than the limit."""
    return _in_child(lambda: _open_many(asked["open_files"] + SLACK))


def processes_made(asked: Asked) -> object:
    """Most processes beside this one, up to a few more than the limit."""
    made: list[int] = []
    try:
        with contextlib.suppress(OSError):
            while len(made) < asked["pids"] + SLACK:
                child = os.fork()
                if not child:
                    signal.pause()
                made.append(child)
    finally:
        for child in made:
            os.kill(child, signal.SIGKILL)
        for child in made:
            os.waitpid(child, 0)
    return len(made)


def memory(asked: Asked) -> object:
    """Touches more than the limit and holds it: `refused`, `granted`, or `killed`."""
    return _in_child(lambda: _touch(asked["memory_mib"] * MIB)) or "killed"


FACTS = (protected, overmounted, rlimits, file_bytes, open_files, processes_made, memory)


def _attempts(at: str) -> dict[str, Callable[[], object]]:
    fresh = at + "-fresh"
    return {
        "write into": lambda: _create(at + "/posture-x"),
        "rename": lambda: _swap(at, at + "-moved"),
        "replace": lambda: _replace(at, fresh),
        "exchange": lambda: _exchange(at, fresh),
        "remove": lambda: os.rmdir(at),
        "open up": lambda: os.chmod(at, 0o777),
        "link into": lambda: os.symlink("/", at + "/posture-link"),
    }


def _fresh(at: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(at)


def _swap(old: str, new: str) -> None:
    os.rename(old, new)
    os.rename(new, old)


def _replace(at: str, fresh: str) -> None:
    _fresh(fresh)
    os.rename(fresh, at)


def _exchange(one: str, other: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    _fresh(other)
    if libc.renameat2(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


def _create(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _as_nested_root(work: str, names: list[str]) -> object:
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(NEWUSER_NEWNS):
        return {"namespaces": False, "done": []}
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with contextlib.suppress(OSError), open("/proc/self/" + file, "w") as opened:
            opened.write(text)
    libc.mount(None, b"/", None, RECURSIVE | PRIVATE, None)
    done = ["open " + at for at in KERNEL_FILES if not _outcome(lambda: os.open(at, os.O_WRONLY))]  # noqa: B023
    for name in names:
        done += _uncover(libc, work, name)
    return {"namespaces": True, "done": done}


def _uncover(libc: ctypes.CDLL, work: str, name: str) -> list[str]:
    """After each way of getting around a mount: is there a place to write through?"""
    at, side = os.path.join(work, name), os.path.join(work, "posture-side")
    over = os.path.join(side, name)
    _fresh(side)
    source, target, cover, hidden = (os.fsencode(path) for path in (work, side, at, over))
    ways: dict[str, Callable[[], object]] = {
        "unmount": lambda: libc.umount2(cover, DETACH),
        "remount": lambda: libc.mount(None, cover, None, REMOUNT | BIND, None),
        "bind": lambda: libc.mount(source, target, None, BIND, None),
        "bind all": lambda: libc.mount(source, target, None, BIND | RECURSIVE, None),
        "unmount the copy": lambda: libc.umount2(hidden, DETACH),
        "move": lambda: libc.mount(cover, target, None, MOVE, None),
    }
    done = []
    for way, go in ways.items():
        go()
        for place in (at, over):
            if not _outcome(lambda: _create(place + "/posture-" + way)):  # noqa: B023
                done.append(way + " " + name)
    return done


def _fill(folder: str, most: int) -> int:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path = os.path.join(folder, "posture-file")
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    written = 0
    try:
        with contextlib.suppress(OSError):
            while written < most:
                written += os.write(number, CHUNK)
    finally:
        os.close(number)
        os.unlink(path)
    return written


def _open_many(most: int) -> int:
    opened: list[int] = []
    with contextlib.suppress(OSError):
        while len(opened) < most:
            opened.append(os.dup(0))
    return len(opened)


def _touch(size: int) -> str:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    try:
        block = mmap.mmap(-1, size)
        for page in range(0, size, mmap.PAGESIZE):
            block[page] = 1
        time.sleep(HOLD_S)
    except (OSError, MemoryError):
        return "refused"
    return "granted"


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return ""


def _in_child(work: Callable[[], object]) -> object:
    """What `work` returned in a child of its own; null when that was killed."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return json.loads(told) if told else None
