"""Blobs into the store, raw: one pack in one stream, whatever their number and size.

No filter, path or process of git sees a file of the agent; `git index-pack` sees the finished pack.
Format: https://git-scm.com/docs/gitformat-pack (2026-11).
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from runner.errors import InfraError
from runner.records.base import Oid
from runner.workspace.git import Git

CHUNK_BYTES = 1 << 20
_BLOB = 3


@dataclass(slots=True)
class PackWriter:
    """`add` exactly `count` blobs, then `finish`."""

    out: IO[bytes]
    count: int
    algorithm: str
    """`sha1` or `sha256`, as the repository's object ids."""
    _trailer: hashlib._Hash = field(init=False)

    def __post_init__(self) -> None:
        self._trailer = _hash(self.algorithm)
        self._write(b"PACK" + (2).to_bytes(4, "big") + self.count.to_bytes(4, "big"))

    def add(self, source: int | bytes, size: int) -> Oid:
        """Store `size` bytes of an open file, or a value, in constant memory.

        Raises:
            InfraError: there are not `size` bytes.
        """
        digest = _hash(self.algorithm)
        digest.update(b"blob %d\0" % size)
        packer = zlib.compressobj(level=1)
        self._write(_entry_head(size))
        seen = 0
        for chunk in [source] if isinstance(source, bytes) else _chunks(source):
            seen += len(chunk)
            digest.update(chunk)
            self._write(packer.compress(chunk))
        if seen != size:
            raise InfraError(f"a file has {seen} bytes instead of {size}", "run again")
        self._write(packer.flush())
        return Oid(digest.hexdigest())

    def finish(self, git: Git) -> None:
        """Make the objects known to the repository."""
        self.out.write(self._trailer.digest())
        self.out.flush()
        git.run("index-pack", self.out.name)

    def _write(self, part: bytes) -> None:
        self._trailer.update(part)
        self.out.write(part)


def _entry_head(size: int) -> bytes:
    """Type and size of an entry: four bits, then seven in each byte, lowest first."""
    head = bytearray([_BLOB << 4 | size & 0xF])
    rest = size >> 4
    while rest:
        head[-1] |= 0x80
        head.append(rest & 0x7F)
        rest >>= 7
    return bytes(head)


def _hash(algorithm: str) -> hashlib._Hash:
    return hashlib.new(algorithm, usedforsecurity=False)


def _chunks(source: int) -> Iterator[bytes]:
    while chunk := os.read(source, CHUNK_BYTES):
        yield chunk
