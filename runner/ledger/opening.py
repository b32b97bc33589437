"""The look at a ledger before anything is appended to it.

1. All that is younger than the signed checkpoint, and the last `TAIL`, fits; the younger entries'
   signatures are right, where their key is known.
2. The tree has the checkpoint's root at the checkpoint's size: nothing was cut off or rewritten.
3. Nothing is gone in between, nothing is there besides.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import ConfigError, InfraError
from runner.ledger.chain import Position, position_at, trusting, walk
from runner.ledger.checkpoint import Checkpoint
from runner.ledger.dsse import Json, UnknownKeyError
from runner.ledger.exporter import NAME, CheckpointFile
from runner.ledger.folder import on_disk, replace
from runner.ledger.note import NoteError
from runner.ledger.rows import MismatchError, Reading, Row, Store
from runner.ledger.store import SqliteStore, require_private
from runner.ledger.writer import altered
from runner.records.evidence import Kind

if TYPE_CHECKING:
    from runner.ledger.keyring import Ring
    from runner.ledger.keys import Signer

FILE, ADDRESS = "ledger.sqlite", "address"
POSTGRES = ("postgresql://", "postgres://")
TAIL = 256
"""Entries that are looked at whenever the ledger is opened."""


def is_begun(directory: Path) -> bool:
    """Whether a state directory keeps to a ledger already: this is its `ledger`."""
    return any((directory / name).exists() for name in (ADDRESS, FILE, NAME))


def store_of(directory: Path, address: str | None) -> Store:
    """A state directory keeps to the ledger it began with: receipts must not be divided.

    Raises:
        ConfigError: it has another one, or that is no place for one.
        InfraError: it is gone, or cannot be used.
    """
    place, own = directory / ADDRESS, directory / FILE
    with on_disk(place):
        require_private(directory, stat.S_ISDIR, 0o700)
        known = (
            place.read_text(errors="replace")
            if place.exists()
            else str(own)
            if own.exists()
            else ""
        )
        wanted = address or known
        if known and wanted != known:
            raise ConfigError(
                f"the ledger of {directory.parent} is {known}, not {wanted}",
                "give the address it has, or another --state",
            )
        if wanted in {"", str(own)}:
            if not known and (directory / NAME).exists():
                raise altered(str(own), MismatchError(0, "is gone, with the whole file"))
            return SqliteStore.open(own)
        if not wanted.startswith(POSTGRES):
            raise ConfigError(f"no ledger is kept at {wanted[:99]!r}", "postgresql://host/database")
        from runner.ledger.postgres import PostgresStore

        store = PostgresStore.open(wanted)
        if not known:
            replace(place, wanted.encode())
        return store


def verified(
    store: Store, directory: Path, gate: Signer, ring: Ring, *, whole: bool = False
) -> tuple[CheckpointFile, Position]:
    """Where the log ends, after the quick look, or one at all of it."""
    try:
        with store.reading() as reading:
            origin = reading.origin()
        file = CheckpointFile(directory, origin, gate, ring.public("gate").values())
        checkpoint = file.read()  # before the rows: what it counts is there already
        with store.reading() as reading:
            store.guarded(reading)
            position = _looked_through(store, reading, checkpoint, ring, whole=whole)
    except MismatchError as error:
        raise altered(store.name, error) from error
    except NoteError as error:
        raise bad_checkpoint(directory, error) from error
    if checkpoint is None or checkpoint.size < position.size:
        file.write(position)
    return file, position


def _looked_through(
    store: Store, reading: Reading, checkpoint: Checkpoint | None, ring: Ring, *, whole: bool
) -> Position:
    count, signed_for = reading.count(), checkpoint.size if checkpoint else 0
    if checkpoint is None and count and not store.shared:
        raise MismatchError(count - 1, f"is signed for by no checkpoint: {NAME} beside it is gone")
    first = 0 if whole else max(0, min(signed_for, count - TAIL))

    def read(row: Row) -> tuple[Json, Kind | None]:
        if row.seq >= signed_for:
            with suppress(UnknownKeyError):  # of another host: it does not count, and does no harm
                ring.unseal(row.envelope, row.seq)
        return trusting(row)

    end = walk(position_at(first, reading), reading.every(first), checkpoint, read)
    require_whole(reading, end)
    return end


def require_whole(reading: Reading, end: Position) -> None:
    if reading.count() != end.size:
        walk(Position(), reading.every())
        raise MismatchError(end.size, "is not the end: there are rows that belong nowhere")


def bad_checkpoint(directory: Path, error: NoteError) -> InfraError:
    return InfraError(
        f"{directory / NAME} is not a checkpoint of this ledger: {error}; nothing is appended",
        f"restore {directory} from a copy, or keep it aside and begin a new ledger",
    )
