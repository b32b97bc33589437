"""Beside a sandbox in an engine that sees no file of the runner's: its doors, and its eyes.

`main` runs in a container of its own, without network or capability. Its stdin and stdout are a
`mux` connection to the runner:
1. It listens at sockets in a directory the sandbox sees; a connection there becomes a stream to the
   runner, who knows what is behind that door.
2. A stream to `USAGE` is told once in a while how much the sandbox has written.
3. A stream to `UPPER` is told everything the sandbox has written, once it is dead.
Standard library only, any Python from 3.9 on.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Optional

from runner.sandbox.mux import CHUNK_BYTES, Mux

USAGE, UPPER = 255, 254
"""Doors on this side; those on the runner's side are numbered from 0."""
ENTRY = struct.Struct(">cHHHQ")
"""Kind, permission bits, length of the path, length of what belongs to it, size."""
PIECE = struct.Struct(">QI")
"""Offset and length of a stretch of a file's content; length 0 = that was all of it."""
FILE, DIRECTORY, LINK, WHITEOUT, PIPE, SOCKET, OTHER, OVER = (b"%c" % kind for kind in b"fdlwpsxe")
MAX_DEPTH = 100
MAX_PATH_BYTES = 2000
"""Nothing below what is deeper or longer is told: what is there already is too much."""
OPAQUE, HIDDEN = "user.overlay.opaque", "user.overlay.whiteout"
PACE_S = 0.5
RESERVE_BYTES = 512 << 20
"""A disk with less room is full: that is all that ends what no walk sees, e.g. deleted files."""
FULL_KIB = 1 << 50


class Pipes:
    """stdin and stdout as a mux's link."""

    def __init__(self) -> None:
        os.set_blocking(0, False)
        os.set_blocking(1, False)

    def incoming(self) -> int:
        return 0

    def outgoing(self) -> int:
        return 1

    def receive(self) -> Optional[bytes]:  # noqa: UP045  Python 3.9
        return os.read(0, CHUNK_BYTES) or None

    def send(self, data: bytes) -> int:
        return os.write(1, data)


def listing(upper: bytes) -> Iterator[bytes]:
    """Everything in `upper`, depth first, parents first, no link followed; then `OVER`."""
    waiting = [b""]
    count = 0
    while waiting:
        path = waiting.pop()
        if path:
            count += 1
            yield from _entry(upper, path)
        if path.count(b"/") >= MAX_DEPTH or len(path) > MAX_PATH_BYTES:
            continue
        place = os.path.join(upper, path)
        if stat.S_ISDIR(os.lstat(place).st_mode):
            with suppress(PermissionError):  # its mode was told
                below = sorted(os.listdir(place), reverse=True)
                waiting += [path + b"/" + name if path else name for name in below]
    yield ENTRY.pack(OVER, 0, 0, 0, count)


def _entry(upper: bytes, path: bytes) -> Iterator[bytes]:
    place = os.path.join(upper, path)
    status = os.lstat(place)
    mode = status.st_mode
    if stat.S_ISREG(mode):
        hidden = not status.st_size and _attribute(place, HIDDEN) is not None
        yield _head(FILE, mode, path, b"y" if hidden else b"", status.st_size)
        yield from _content(place, status.st_size)
    elif stat.S_ISDIR(mode):
        yield _head(DIRECTORY, mode, path, _attribute(place, OPAQUE) or b"")
    elif stat.S_ISLNK(mode):
        yield _head(LINK, mode, path, os.readlink(place))
    elif stat.S_ISCHR(mode) and status.st_rdev == 0:
        yield _head(WHITEOUT, mode, path)
    else:
        kinds = {stat.S_IFIFO: PIPE, stat.S_IFSOCK: SOCKET}
        yield _head(kinds.get(stat.S_IFMT(mode), OTHER), mode, path)


def _head(kind: bytes, mode: int, path: bytes, extra: bytes = b"", size: int = 0) -> bytes:
    head = ENTRY.pack(kind, stat.S_IMODE(mode), len(path), len(extra), size)
    return head + path + extra


def _content(place: bytes, size: int) -> Iterator[bytes]:
    """Only what is really there of a file with holes. One that cannot be read has none."""
    try:
        number = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except PermissionError:
        yield PIECE.pack(size, 0)
        return
    try:
        at = 0
        while at < size:
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
                end = min(size, os.lseek(number, at, os.SEEK_HOLE))
            except OSError as error:
                if error.errno != errno.ENXIO:  # nothing but a hole from here on
                    raise
                break
            while at < end and (data := os.pread(number, min(CHUNK_BYTES, end - at), at)):
                yield PIECE.pack(at, len(data)) + data
                at += len(data)
    finally:
        os.close(number)
    yield PIECE.pack(size, 0)


def _attribute(place: bytes, name: str) -> Optional[bytes]:  # noqa: UP045  Python 3.9
    with suppress(OSError):  # none, or a file system without any
        return os.getxattr(place, name, follow_symlinks=False)
    return None


def usage(upper: bytes) -> Iterator[bytes]:
    """`KIB ENTRIES` lines for as long as somebody listens, the first one at once."""
    while True:
        began = time.monotonic()
        blocks, entries = _written(upper)
        disk = os.statvfs(os.path.dirname(upper))  # without a workspace there is no upper
        full = disk.f_bavail * disk.f_frsize < RESERVE_BYTES
        yield b"%d %d\n" % (FULL_KIB if full else blocks // 2, entries)
        time.sleep(max(PACE_S, 10 * (time.monotonic() - began)))


def _written(upper: bytes) -> tuple[int, int]:
    """Blocks of 512 bytes in use, and the number of entries."""
    blocks = entries = 0
    waiting = [upper]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:  # it goes away under our feet
            for entry in found:
                status = entry.stat(follow_symlinks=False)
                entries += 1
                blocks += status.st_blocks // max(1, status.st_nlink)
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(entry.path)
    return blocks, entries


def _told(lines: Iterator[bytes], near: socket.socket) -> None:
    with near, suppress(OSError):
        for line in lines:
            near.sendall(line)


def answer(upper: bytes, door: int) -> Optional[socket.socket]:  # noqa: UP045  Python 3.9
    """A socket at which somebody tells what was asked for."""
    tellers: dict[int, Callable[[bytes], Iterator[bytes]]] = {USAGE: usage, UPPER: listing}
    if door not in tellers:
        return None
    near, far = socket.socketpair()
    threading.Thread(target=_told, args=(tellers[door](upper), far), daemon=True).start()
    return near


def main(upper: str, *doors: str) -> None:
    """`doors` are paths of sockets to listen at, in the order of the runner's doors."""
    mux = Mux(Pipes(), 1, lambda door: answer(os.fsencode(upper), door))
    os.umask(0)
    for number, path in enumerate(doors):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(128)
        mux.listen(listener, number)
    while mux.turn(60):
        pass
