"""C2SP proofs that an entry is in a log: https://c2sp.org/tlog-proof (v1, read 2026-11)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.ledger.checkpoint import Checkpoint, read_checkpoint
from runner.ledger.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from runner.ledger.note import MOST_BYTES, NoteError, decode

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})")
_MOST_HASHES = 64


@dataclass(frozen=True, slots=True)
class Proof:
    """Read, not yet believed."""

    index: int
    """Of the entry, from 0."""
    path: tuple[bytes, ...]
    checkpoint: bytes
    """The signed note."""
    extra: bytes = b""
    """Not authenticated; we write none."""

    def verify(
        self, envelope: bytes, keys: Iterable[Ed25519PublicKey], origin: str | None = None
    ) -> Checkpoint:
        """That `envelope` is in the log whose checkpoint one of `keys` signed.

        Raises:
            NoteError: it is not.
        """
        checkpoint = read_checkpoint(self.checkpoint, keys, origin)
        leaf = leaf_hash(envelope)
        if not verify_inclusion(leaf, self.index, checkpoint.size, self.path, checkpoint.root):
            raise NoteError(
                f"its path does not lead from the receipt, as entry {self.index}, "
                "to the checkpoint's root"
            )
        return checkpoint


def proof_of(index: int, path: Sequence[bytes], checkpoint: bytes) -> bytes:
    """The text of a proof; `checkpoint` is a signed note."""
    hashes = (base64.b64encode(each).decode() for each in path)
    return "\n".join((HEADER, f"index {index}", *hashes, "", "")).encode() + checkpoint


def read_proof(text: bytes) -> Proof:
    """Reads what `proof_of`, or another log, wrote.

    Raises:
        NoteError: it is malformed.
    """
    head, blank, checkpoint = text.partition(b"\n\n")
    if not blank or len(text) > MOST_BYTES:
        raise NoteError("a proof is a path, an empty line and a checkpoint")
    lines = head.decode("ascii", errors="replace").split("\n")
    if lines.pop(0) != HEADER:
        raise NoteError(f"it does not begin with {HEADER}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode(lines.pop(0).removeprefix("extra "))
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    path = tuple(map(decode, lines))
    if index is None or len(path) > _MOST_HASHES or {*map(len, path)} - {HASH_BYTES}:
        raise NoteError("a proof has an index and at most 64 hashes")
    return Proof(int(index[1]), path, checkpoint, extra)
