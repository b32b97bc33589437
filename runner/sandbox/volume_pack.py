"""A product-owned file or directory as a tar stream, and a key that tells whether it changed.

No link is followed. Owners, modes, whole seconds of times, whiteouts (character device 0:0) and
`user.overlay.` marks travel; other attributes do not.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfraError

CHUNK_BYTES = 1024 * 1024
SMALL_BYTES = 65536
"""Up to this size content tells whether a file changed, beyond it inode and time."""
END = bytes(2 * tarfile.BLOCKSIZE)
MARKS = ("user.overlay.opaque", "user.overlay.whiteout")
XATTR = "SCHILY.xattr."
"""Prefix of an extended attribute in a pax header, as GNU tar, star and Go know it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One file, directory, link or whiteout; `name` is its path below the root, `` = the root."""

    name: str
    path: Path
    status: os.stat_result

    @property
    def mode(self) -> int:
        return self.status.st_mode


def items(root: Path) -> Iterator[Item]:
    """Everything at and below `root`, parents first, in a stable order."""
    waiting = [("", root)]
    while waiting:
        name, path = waiting.pop()
        item = Item(name, path, os.lstat(path))
        yield item
        if stat.S_ISDIR(item.mode):
            below = sorted(os.listdir(path), reverse=True)
            waiting += [(f"{name}/{child}", path / child) for child in below]


def key(root: Path, by_content: bool) -> str:
    """Hex digest: equal = nothing changed. Without `by_content` no file is opened."""
    digest = hashlib.sha256()
    for item in items(root):
        status = item.status
        known = (item.mode, status.st_uid, status.st_gid)
        told = repr((item.name, *known, _link(item), _marks(item)))
        digest.update(told.encode())
        if not stat.S_ISREG(item.mode):
            continue
        if by_content and status.st_size <= SMALL_BYTES:
            digest.update(hashlib.sha256(item.path.read_bytes()).digest())
        else:
            same = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
            digest.update(repr(same).encode())
    return digest.hexdigest()


def pack(root: Path, name: str) -> Iterator[bytes]:
    """A tar stream without its end, in which `root` is called `name`.

    Raises:
        InfraError: a file changed under our hands.
    """
    for item in items(root):
        yield _header(item, name + item.name)
        if stat.S_ISREG(item.mode):
            yield from _content(item)


def archive(parts: Iterable[bytes]) -> Iterator[bytes]:
    """A whole tar stream of `pack`s and `directory`s, in pieces worth sending."""
    kept = bytearray()
    for part in parts:
        kept += part
        if len(kept) >= CHUNK_BYTES:
            yield bytes(kept)
            kept.clear()
    yield bytes(kept) + END


def directory(name: str, uid: int, mode: int = 0o755) -> bytes:
    """The header of an empty directory."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, uid
    return info.tobuf(tarfile.GNU_FORMAT)


def _header(item: Item, name: str) -> bytes:
    info = tarfile.TarInfo(name)
    status = item.status
    info.mode, info.mtime = stat.S_IMODE(item.mode), int(status.st_mtime)
    info.uid, info.gid = status.st_uid, status.st_gid
    if stat.S_ISREG(item.mode):
        info.size = status.st_size
    elif stat.S_ISDIR(item.mode):
        info.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(item.mode):
        info.type, info.linkname = tarfile.SYMTYPE, _link(item)
    elif stat.S_ISCHR(item.mode) and status.st_rdev == 0:
        info.type = tarfile.CHRTYPE
    else:
        raise InfraError(f"{item.path} is a special file", "keep such files out of the state")
    info.pax_headers = {XATTR + mark: value for mark, value in _marks(item)}
    if info.pax_headers:
        return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _content(item: Item) -> Iterator[bytes]:
    left = item.status.st_size
    with item.path.open("rb") as file:
        while left and (data := file.read(min(CHUNK_BYTES, left))):
            left -= len(data)
            yield data
    if left:
        raise InfraError(f"{item.path} changed while it was sent", "run it again")
    yield bytes(-item.status.st_size % tarfile.BLOCKSIZE)


def _link(item: Item) -> str:
    return os.readlink(item.path) if stat.S_ISLNK(item.mode) else ""


def _marks(item: Item) -> list[tuple[str, str]]:
    """overlayfs's own: on directories, and on empty files that stand for whiteouts."""
    empty_file = stat.S_ISREG(item.mode) and not item.status.st_size
    if not stat.S_ISDIR(item.mode) and not empty_file:
        return []
    with suppress(OSError):
        found = [mark for mark in MARKS if mark in os.listxattr(item.path, follow_symlinks=False)]
        return [(mark, os.getxattr(item.path, mark).decode("latin-1")) for mark in found]
    return []
