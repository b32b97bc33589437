"""C2SP checkpoints, a log's size and root: https://c2sp.org/tlog-checkpoint (read 2026-11)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.ledger.merkle import EMPTY, HASH_BYTES
from runner.ledger.note import NoteError, decode, open_note, sign, split

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`Checkpoint("codex-runner.dev/log/0123456789abcdef", 3, root)`."""

    origin: str
    """Which log; also the name its keys sign as."""
    size: int
    root: bytes

    def signed(self, signer: Signer) -> bytes:
        text = f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"
        return sign(text, self.origin, signer)


def read_checkpoint(
    note: bytes, keys: Iterable[Ed25519PublicKey], origin: str | None = None
) -> Checkpoint:
    """A checkpoint of the log `origin` (None = whichever it names) that one of `keys` signed.

    Raises:
        NoteError: it is malformed, of another log, or not signed by any of them.
    """
    claimed = split(note)[0].partition("\n")[0]
    if origin is not None and claimed != origin:
        raise NoteError(f"it is a checkpoint of another log, {claimed[:200]!r}")
    lines = open_note(note, claimed, keys).split("\n")[:-1]
    if len(lines) < 3 or "" in lines or not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint is origin, size and root, each in its line")
    size, root = int(lines[1]), decode(lines[2])
    if len(root) != HASH_BYTES or (size == 0 and root != EMPTY):
        raise NoteError("that is not the root of a tree of this size")
    return Checkpoint(claimed, size, root)
