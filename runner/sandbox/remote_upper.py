"""What a dead sandbox wrote far away, made again in a local directory, from a stranger's telling.

1. Every entry's parent is a directory made here, by this telling, and opened by handle: no link is
   ever followed, no path leaves the directory.
2. Entries, bytes, depth, names and time are bounded; a file's holes stay holes.
3. What ingest refuses is made all the same, as far as an ordinary user could: ingest names it.
4. A telling that breaks off, breaks a rule or a wall leaves nothing behind.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.records.sandbox import Overlay, StopReason, Walls
from runner.remove import remove_tree
from runner.sandbox import remote_far as far
from runner.sandbox.mux import CHUNK_BYTES

MIB = 1024 * 1024
LIMIT_S = 300
NAME_BYTES = 255
MOST_SIZE = 2**40
PLACES = {far.PIPE: stat.S_IFIFO, far.SOCKET: stat.S_IFSOCK, far.WHITEOUT: stat.S_IFCHR}
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class _WallError(Exception):
    """A wall was hit: `reason`."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


def remake(told: socket.socket, overlay: Overlay, uid: int, walls: Walls) -> StopReason | None:
    """Fill `overlay.upper` with what is told; a reason = more than the walls allow, so nothing.

    Raises:
        ConnectionError: the telling broke off.
        InfraError: it is none, or cannot be written down.
    """
    telling = _Telling(told, time.monotonic() + LIMIT_S)
    _emptied(overlay.upper)
    try:
        with _Place(overlay, uid) as place:
            _remake(telling, place, walls)
    except _WallError as wall:
        _emptied(overlay.upper)
        return wall.reason
    except ConnectionError:
        _emptied(overlay.upper)
        raise
    except (OSError, ValueError) as error:
        _emptied(overlay.upper)
        raise InfraError(
            f"what the sandbox wrote could not be fetched: {error}", "look at the docker engine"
        ) from error
    return None


def _remake(telling: _Telling, place: _Place, walls: Walls) -> None:
    left_bytes = walls.disk_mib * MIB
    for count in range(walls.entries + 1):
        entry = telling.entry()
        if entry.kind == far.OVER:
            if entry.size != count:
                raise ValueError("entries are missing")
            return
        if entry.kind != far.FILE:
            place.make(entry)
            continue
        with place.file(entry) as made:
            for at, data in telling.pieces(entry.size):
                left_bytes -= len(data)
                if left_bytes < 0:
                    raise _WallError("disk")
                os.pwrite(made.fd, data, at)
    raise _WallError("entries")


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: bytes
    mode: int
    path: bytes
    extra: bytes
    size: int


@dataclass(frozen=True, slots=True)
class _Telling:
    """The far side's words, read with a deadline."""

    told: socket.socket
    deadline: float

    def read(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            left_s = self.deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("it takes too long")
            self.told.settimeout(left_s)
            data = self.told.recv(length - len(parts))
            if not data:
                raise ConnectionError("it broke off")
            parts += data
        return bytes(parts)

    def entry(self) -> _Entry:
        kind, mode, path_bytes, extra_bytes, size = far.ENTRY.unpack(self.read(far.ENTRY.size))
        path, extra = self.read(path_bytes), self.read(extra_bytes)
        if kind != far.OVER:
            _check(path, size)
        return _Entry(kind, mode & 0o7777, path, extra, size)

    def pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Stretches of a file, in order."""
        end = 0
        while True:
            at, length = far.PIECE.unpack(self.read(far.PIECE.size))
            if not length:
                return
            if at < end or at + length > size or length > CHUNK_BYTES:
                raise ValueError("a stretch outside its file")
            end = at + length
            yield at, self.read(length)


def _check(path: bytes, size: int) -> None:
    parts = path.split(b"/")
    plain = all(part not in {b"", b".", b".."} and len(part) <= NAME_BYTES for part in parts)
    short = len(parts) <= far.MAX_DEPTH + 1 and len(path) <= far.MAX_PATH_BYTES + NAME_BYTES + 1
    if not plain or not short or b"\0" in path or size > MOST_SIZE:
        raise ValueError(f"an entry that must not be: {path[:80]!r}")


@dataclass(slots=True)
class _Made:
    """A regular file being written."""

    fd: int
    entry: _Entry
    uid: int

    def __enter__(self) -> _Made:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                os.ftruncate(self.fd, self.entry.size)
                if self.entry.extra:
                    os.setxattr(self.fd, far.HIDDEN, b"y")
                _finish(self.fd, self.entry.mode, self.uid)
        finally:
            os.close(self.fd)


@dataclass(slots=True)
class _Place:
    """The directory being filled. Open are only the directories that lead to the last entry."""

    overlay: Overlay
    uid: int
    _open: list[tuple[bytes, int, int]] = field(default_factory=list)
    """Path, descriptor, mode it gets when everything below it is made."""

    def __enter__(self) -> _Place:
        root = os.open(self.overlay.upper, _DIRECTORY)
        self._open.append((b"", root, stat.S_IMODE(os.fstat(root).st_mode)))
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._leave()

    def file(self, entry: _Entry) -> _Made:
        parent, name = self._parent(entry.path)
        return _Made(os.open(name, _NEW, 0o600, dir_fd=parent), entry, self.uid)

    def make(self, entry: _Entry) -> None:
        parent, name = self._parent(entry.path)
        if entry.kind == far.DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=parent)
            number = os.open(name, _DIRECTORY, dir_fd=parent)
            self._open.append((entry.path, number, entry.mode))
            if entry.extra:
                os.setxattr(number, far.OPAQUE, entry.extra)
            return
        if entry.kind == far.LINK:
            os.symlink(entry.extra, name, dir_fd=parent)
        elif entry.kind in PLACES:
            os.mknod(name, PLACES[entry.kind] | 0o600, os.makedev(0, 0), dir_fd=parent)
        else:
            raise ValueError(f"a device: {entry.path[:80]!r}")
        if self.uid != os.geteuid():
            os.chown(name, self.uid, self.uid, dir_fd=parent, follow_symlinks=False)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """The open directory an entry belongs in, and its name there."""
        above, _, name = path.rpartition(b"/")
        while self._open[-1][0] != above:
            if len(self._open) == 1:
                raise ValueError(f"an entry without a parent: {path[:80]!r}")
            self._leave()
        return self._open[-1][1], name

    def _leave(self) -> None:
        path, number, mode = self._open.pop()
        try:
            if path:
                _finish(number, mode, self.uid)
        finally:
            os.close(number)


def _finish(number: int, mode: int, uid: int) -> None:
    """The owner first: changing it clears setuid, which ingest has to see."""
    if uid != os.geteuid():
        os.fchown(number, uid, uid)
    os.fchmod(number, mode)


def _emptied(upper: Path) -> None:
    """The same directory with nothing in it."""
    for name in os.listdir(upper):
        path = upper / name
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink()
