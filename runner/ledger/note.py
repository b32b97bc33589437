"""C2SP signed notes, Ed25519: https://c2sp.org/signed-note@v1.0.0 (read 2026-11)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

MOST_BYTES = 64 * 1024
ED25519 = b"\1"
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """Not a note, or not signed by a key that is trusted."""


def sign(text: str, name: str, signer: Signer) -> bytes:
    """The note of `text`, which ends in a newline, signed as `name`."""
    _refuse_bad(text)
    if not text.endswith("\n") or not _NAME.fullmatch(name):
        raise NoteError("a note's text ends in a newline, and its key's name has no blanks or +")
    signature = key_hash(name, signer.key.public_key()) + signer.sign(text.encode())
    return f"{text}\n{_DASH}{name} {base64.b64encode(signature).decode()}\n".encode()


def open_note(note: bytes, name: str, keys: Iterable[Ed25519PublicKey]) -> str:
    """The text of a note that one of `keys` signed as `name`.

    Signatures of keys that are not known are passed over; a known one's has to be right.

    Raises:
        NoteError: it is malformed, or none of the keys signed it.
    """
    text, signatures = split(note)
    signed = [
        _verified(text, signature, key)
        for key in keys
        for who, signature in signatures
        if who == name and signature[:4] == key_hash(name, key)
    ]
    if not signed:
        raise NoteError(f"no known key signed it as {name!r}")
    return text


def split(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """Text and signatures (key's name; key hash and signature), none of them verified."""
    if len(note) > MOST_BYTES:
        raise NoteError("a note this large is none of ours")
    try:
        content = note.decode()
    except UnicodeDecodeError:
        raise NoteError("a note is UTF-8") from None
    _refuse_bad(content)
    text, blank, lines = content.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("a note is text, an empty line and signatures")
    return f"{text}\n", [_signature(line) for line in lines[:-1].split("\n")]


def key_hash(name: str, key: Ed25519PublicKey) -> bytes:
    """4 bytes: a hint which key it is, no proof."""
    content = name.encode() + b"\n" + ED25519 + key.public_bytes_raw()
    return hashlib.sha256(content).digest()[:4]


@lru_cache(1024)
def decode(text: str) -> bytes:
    """Base64 with one spelling for each value. Proofs that are near each other share most hashes.

    Raises:
        NoteError: it is another.
    """
    try:
        found = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise NoteError("its base64 is broken") from None
    if binascii.b2a_base64(found, newline=False).decode() != text:
        raise NoteError("its base64 is not canonical")
    return found


def _verified(text: str, signature: bytes, key: Ed25519PublicKey) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature[4:], text.encode())
    except InvalidSignature:
        raise NoteError("its signature is wrong, or its text was changed") from None
    return True


def _signature(line: str) -> tuple[str, bytes]:
    name, blank, signature = line.removeprefix(_DASH).rpartition(" ")
    if not line.startswith(_DASH) or not blank or not _NAME.fullmatch(name):
        raise NoteError("a line of its signatures is malformed")
    found = decode(signature)
    if len(found) < 5:
        raise NoteError("one of its signatures is too short")
    return name, found


def _refuse_bad(text: str) -> None:
    if _CONTROL.search(text):
        raise NoteError("a note has no control characters")
