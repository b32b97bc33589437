"""The file `STATE/ledger/checkpoint`: the log's signed size and root, never an older one again."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import InfraError
from runner.ledger.chain import Position
from runner.ledger.checkpoint import Checkpoint, read_checkpoint
from runner.ledger.folder import on_disk, replace
from runner.ledger.note import NoteError
from runner.live import exclusive

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

NAME, LOCK = "checkpoint", ".lock"
EVERY, EVERY_S = 64, 5.0
"""Entries, and seconds, after which a new one is due."""


@dataclass(frozen=True, slots=True)
class CheckpointFile:
    """Written by several processes."""

    directory: Path
    origin: str
    signer: Signer
    keys: Collection[Ed25519PublicKey]
    """Whose checkpoints count."""

    def read(self) -> Checkpoint | None:
        """None = there is none.

        Raises:
            NoteError: it does not count, or is another log's.
            InfraError: it cannot be read.
        """
        path = self.directory / NAME
        with on_disk(path):
            try:
                note = path.read_bytes()
            except FileNotFoundError:
                return None
        return read_checkpoint(note, self.keys, self.origin)

    def write(self, position: Position) -> None:
        """Unless a later one is there already. Raises InfraError."""
        note = self.signed(position)
        with on_disk(self.directory / NAME), exclusive(self.directory / LOCK):
            try:
                there = self.read()
            except NoteError:
                there = None
            if there is None or there.size <= position.size:
                replace(self.directory / NAME, note)

    def signed(self, position: Position) -> bytes:
        return Checkpoint(self.origin, position.size, position.tree.root()).signed(self.signer)


class Exporter:
    """Writes the file when one is due, in a thread of its own."""

    def __init__(self, file: CheckpointFile, position: Position) -> None:
        self._file, self._latest, self._written = file, position, position.size
        self._changed, self._closing = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="checkpoint", daemon=True)
        self._thread.start()

    def tell(self, position: Position) -> None:
        """The log is durable up to here."""
        with self._changed:
            self._latest = position
            if self._due():
                self._changed.notify()

    def close(self) -> None:
        """With the last one written. Raises InfraError."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._latest.size > self._written:
            self._file.write(self._latest)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due, EVERY_S)
                if self._closing:
                    return
                latest = self._latest
            if latest.size > self._written:
                try:
                    self._file.write(latest)
                except InfraError:
                    continue  # told by close(), or by a later one that succeeds
                self._written = latest.size

    def _due(self) -> bool:
        return self._closing or self._latest.size - self._written >= EVERY
