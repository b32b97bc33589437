"""Looks into compressed samples, within bounds. Runs in the scanner's process only."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib

UNPACKED_BYTES = 32 * 1024 * 1024
MEMBERS = 1000
DEPTH = 3

_OPAQUE = (
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x9d",
    b"\x04\x22\x4d\x18",
)
"""7-Zip, RAR, Zstandard, compress, LZ4: no reader here."""


class OpaqueError(Exception):
    """A compressed sample that cannot be read whole within the bounds."""


def unpack(data: bytes) -> list[bytes]:
    """All members at all depths, outer ones first; none when `data` is not compressed.

    Raises:
        OpaqueError: encrypted, broken, too large, too deep, or of a kind without a reader here.
    """
    found: list[bytes] = []
    room = UNPACKED_BYTES
    layer = [data]
    for _ in range(DEPTH):
        outers, layer = layer, []
        for outer in outers:
            members = _members(outer, room)
            room -= sum(map(len, members))
            layer += members
            if room < 0 or len(found) + len(layer) > MEMBERS:
                raise OpaqueError
        found += layer
    if any(_is_packed(member) for member in layer):
        raise OpaqueError
    return found


def _is_packed(data: bytes) -> bool:
    return data.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04", *_OPAQUE))


def _members(data: bytes, room: int) -> list[bytes]:
    if data.startswith(_OPAQUE):
        raise OpaqueError
    try:
        if data.startswith(b"PK\x03\x04"):
            return _zip(data, room)
        if data.startswith(b"\x1f\x8b"):
            return [_inflate(data, room)]
        if data.startswith(b"BZh"):
            return [_expand(bz2.BZ2Decompressor(), data, room)]
        if data.startswith(b"\xfd7zXZ\0"):
            return [_expand(lzma.LZMADecompressor(memlimit=UNPACKED_BYTES * 2), data, room)]
    except (
        OSError, EOFError, ValueError, RuntimeError, NotImplementedError,
        zlib.error, lzma.LZMAError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise OpaqueError from error
    return []


def _inflate(data: bytes, room: int) -> bytes:
    """Gzip with all its concatenated members."""
    out = bytearray()
    while data:
        inflater = zlib.decompressobj(31)
        out += inflater.decompress(data, room - len(out) + 1)
        if not inflater.eof or len(out) > room:
            raise OpaqueError
        data = inflater.unused_data.lstrip(b"\0")
    return bytes(out)


def _expand(codec: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes, room: int) -> bytes:
    out = codec.decompress(data, room + 1)
    if not codec.eof or len(out) > room or codec.unused_data:
        raise OpaqueError
    return out


def _zip(data: bytes, room: int) -> list[bytes]:
    """Names too: they leave the machine like everything else."""
    out: list[bytes] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MEMBERS:
            raise OpaqueError
        out.append("\n".join(entry.filename for entry in entries).encode(errors="replace"))
        for entry in entries:
            with archive.open(entry) as member:
                content = member.read(room + 1)
            room -= len(content)
            if room < 0:
                raise OpaqueError
            out.append(content)
    return out
