"""Git directories the product makes itself: every byte of their configuration is known."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.workspace.git import Git

RAW = "* -text -crlf -ident -filter !eol !working-tree-encoding !diff !merge\n"
"""Outranks every .gitattributes of the tree: bytes stay bytes, and binary is what has a NUL."""

CONFIG = """\
[core]
\trepositoryFormatVersion = {version}
\tbare = {bare}
\tfileMode = true
\tprotectHFS = true
\tprotectNTFS = true
\tcommitGraph = false
\tmultiPackIndex = false
\tbigFileThreshold = 16m
\tfsmonitor = false
\thooksPath = /dev/null
\tlogAllRefUpdates = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tcheckStat = minimal
\ttrustctime = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fastimport]
\tunpackLimit = 1
[transfer]
\tfsckObjects = true
[submodule]
\trecurse = false
[credential]
\thelper =
"""
SHA256 = "[extensions]\n\tobjectFormat = sha256\n"
CHUNK_BYTES = 1 << 20


def lay(directory: Path, *, sha256: bool, files: Mapping[str, bytes], bare: bool = True) -> Git:
    """A new git directory: `files` (e.g. `HEAD`, `objects/info/alternates`) over the minimum."""
    for name in ("objects/info", "objects/pack", "refs", "info"):
        (directory / name).mkdir(parents=True)
    config = CONFIG.format(bare=str(bare).lower(), version=int(sha256)) + SHA256 * sha256
    whole = {"HEAD": b"ref: refs/heads/none\n", "config": config.encode(), **files}
    for name, content in whole.items():
        (directory / name).write_bytes(content)
    return Git(directory)


def alternates(objects: Path) -> bytes:
    """Content of `objects/info/alternates` for one other object directory."""
    return encode_path(os.fsencode(objects)).encode() + b"\n"


def write_blob(git: Git, source: int | bytes, size: int, *, sha256: bool) -> Oid:
    """Store `size` bytes of an open file (or a value) as a loose object, in constant memory.

    No filter, no path and no process sees them: `<zlib>blob <size>\\0<content>`.

    Raises:
        ValueError: the file is not `size` bytes long.
    """
    digest = hashlib.sha256() if sha256 else hashlib.sha1(usedforsecurity=False)
    packer = zlib.compressobj(level=1)
    partial = git.directory / "objects" / f"incoming-{os.getpid()}"
    with partial.open("wb") as out:
        head = b"blob %d\0" % size
        digest.update(head)
        out.write(packer.compress(head))
        seen = 0
        for chunk in [source] if isinstance(source, bytes) else _chunks(source):
            seen += len(chunk)
            digest.update(chunk)
            out.write(packer.compress(chunk))
        out.write(packer.flush())
    if seen != size:
        partial.unlink()
        raise ValueError(f"{seen} bytes instead of {size}")
    oid = Oid(digest.hexdigest())
    place = git.directory / "objects" / oid[:2]
    place.mkdir(exist_ok=True)
    partial.replace(place / oid[2:])
    return oid


def _chunks(source: int) -> Iterator[bytes]:
    while chunk := os.read(source, CHUNK_BYTES):
        yield chunk
