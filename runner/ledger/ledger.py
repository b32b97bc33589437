"""The port `Ledger`: signed statements in an append-only log with a Merkle tree over it.

1. A statement is signed by the caller's thread, then appended by one that does only that; it is
   answered when it is durable, or not at all.
2. What is there is verified before anything is appended: at least its end and all that no signed
   checkpoint speaks for (`check` = everything). What does not fit is never appended to.
3. The signed checkpoint beside it shows what triggers cannot: that it was cut off or rewritten.
   An older copy of both, together, shows only against a checkpoint kept elsewhere: each run's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from runner.errors import ConfigError, InfraError
from runner.ledger.chain import Position, Sealed, entry_of, walk
from runner.ledger.checkpoint import Checkpoint
from runner.ledger.dsse import Json, ReceiptError, Stamp, seal
from runner.ledger.exporter import CheckpointFile, Exporter
from runner.ledger.folder import on_disk, private_directory
from runner.ledger.merkle import consistency, inclusion, verify_consistency
from runner.ledger.note import NoteError
from runner.ledger.opening import bad_checkpoint, is_begun, require_whole, store_of, verified
from runner.ledger.proof import proof_of
from runner.ledger.rows import MismatchError, Reading, Row, Store
from runner.ledger.writer import Writer, altered
from runner.live import exclusive
from runner.records.base import RunId
from runner.records.evidence import SIGNERS, AgentId, Entry, Kind, ReceiptId, Role, Statement

if TYPE_CHECKING:
    from runner.ledger.keyring import Ring
    from runner.ledger.keys import Signer

LEDGER, OPENING = "ledger", ".opening"
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class StoredLedger:
    """Of one state directory; made by `open_ledger`."""

    store: Store
    signers: Mapping[Role, Signer]
    ring: Ring
    file: CheckpointFile
    writer: Writer

    @property
    def size(self) -> int:
        """Entries that are durable, as far as this process knows."""
        return self.writer.position.size

    @property
    def origin(self) -> str:
        """Of the log: what its checkpoints begin with."""
        return self.file.origin

    def submit(self, statement: Statement) -> Future[Entry]:
        role = SIGNERS[statement.kind]
        try:
            signer = self.signers.get(role)
            if signer is None:
                raise ConfigError(
                    f"a {statement.kind} is signed by the {role}, whose key is not here",
                    f"codex-runner keys create {role}",
                )
            sealed = _sealed(statement, signer)
        except (ConfigError, InfraError) as error:
            failed: Future[Entry] = Future()
            failed.set_exception(error)
            return failed
        return cast("Future[Entry]", self.writer.put(sealed))

    def append(self, statement: Statement) -> Entry:
        return self.submit(statement).result()

    def entry(self, receipt: ReceiptId) -> Entry | None:
        with self._reading() as reading:
            row = reading.find(receipt)
            return row and entry_of(row)

    def entries(
        self,
        *,
        run: RunId | None = None,
        agent: AgentId | None = None,
        kinds: tuple[Kind, ...] = (),
        first: int = 0,
        passed_over: Callable[[bytes], bool] | None = None,
    ) -> Iterator[Entry]:
        """Of the port; envelopes that are `passed_over` are not even parsed."""
        while True:
            with self._reading() as reading:
                rows = reading.rows(first, run=run, agent=agent, kinds=kinds)
                read = [row for row in rows if not (passed_over and passed_over(row.envelope))]
                page = [entry_of(row) for row in read]
            if not rows:
                return
            yield from page
            first = rows[-1].seq + 1

    def vouches(self, entry: Entry) -> bool:
        """Whether a key that counts there has signed it: others may add to a ledger."""
        try:
            return self.ring.unseal(entry.envelope, entry.seq).kind == entry.kind
        except ReceiptError:
            return False

    def checkpoint(self) -> bytes:
        """The signed size and root, now; other processes' entries included."""
        return self.file.signed(self._current())

    def proof(self, receipt: ReceiptId) -> bytes:
        """That a receipt is in the log, for those who have only its envelope and our public key.

        Raises:
            ConfigError: there is no such receipt.
            InfraError: the ledger cannot be read, or does not match itself.
        """
        return self.proofs((receipt,))[1][0]

    def proofs(self, receipts: Sequence[ReceiptId]) -> tuple[bytes, tuple[bytes, ...]]:
        """One checkpoint, and a proof to it for each. Raises as `proof`."""
        position = self._current()
        checkpoint = self.file.signed(position)
        with self._reading() as reading:
            return checkpoint, tuple(
                proof_of(seq, inclusion(seq, position.size, reading.node), checkpoint)
                for seq in (_place(reading, receipt) for receipt in receipts)
            )

    def require_grown_from(self, checkpoint: Checkpoint) -> None:
        """Raises InfraError: the log is not the one that had this checkpoint, and more."""
        position = self._current()
        root = position.tree.root()
        with self._reading() as reading:
            if checkpoint.origin != self.origin or checkpoint.size > position.size:
                raise MismatchError(position.size, "is gone, or the whole log was another")
            path = consistency(checkpoint.size, position.size, reading.node)
            if not verify_consistency(checkpoint.size, position.size, checkpoint.root, root, path):
                raise MismatchError(checkpoint.size - 1, "or one before it was rewritten")

    def check(self, ring: Ring | None = None) -> int:
        """Everything: the database, the chain, ids, columns, hashes, the checkpoint, and that each
        is signed by a key of its role which counted there. How many there are.

        Raises:
            InfraError: the first entry that is wrong.
        """
        trusted = ring or self.ring

        def signed(row: Row) -> tuple[Json, Kind | None]:
            found = trusted.unseal(row.envelope, row.seq)
            return found.statement, found.kind

        try:
            checkpoint = self.file.read()
            self.store.examine()
            with self._reading() as reading:
                end = walk(Position(), reading.every(), checkpoint, signed)
                require_whole(reading, end)
                return end.size
        except MismatchError as error:
            raise altered(self.store.name, error) from error
        except NoteError as error:
            raise bad_checkpoint(self.file.directory, error) from error

    def _current(self) -> Position:
        self.writer.put(None).result()
        return self.writer.position

    @contextmanager
    def _reading(self) -> Iterator[Reading]:
        try:
            with self.store.reading() as reading:
                yield reading
        except MismatchError as error:
            raise altered(self.store.name, error) from error


def has_ledger(state: Path, address: str | None = None) -> bool:
    """Whether there is one to read: begun here, or kept elsewhere at `address`."""
    return bool(address) or is_begun(state / LEDGER)


@contextmanager
def open_ledger(
    state: Path,
    signers: Mapping[Role, Signer] | None = None,
    *,
    address: str | None = None,
    ring: Ring | None = None,
    whole: bool = False,
) -> Iterator[StoredLedger]:
    """The ledger of a state directory, or at `address` (`postgresql://...`), verified: its end, or
    that each of the `whole` is the one which the checkpoint's tree was made of.

    None = the address it has, the keys that are here to sign, the keys that count here.

    Raises:
        ConfigError: a key or the ledger's file is not private, or the address is wrong.
        InfraError: the ledger cannot be used, or is not what was written.
    """
    from runner.ledger.keyring import Ring, local_ring
    from runner.ledger.keys import local_signers

    signing = local_signers(state) if signers is None else signers
    known = local_ring(state) if ring is None else ring
    own = Ring.of(*((role, signer.key.public_key()) for role, signer in signing.items()))
    known = known.beside(own)
    directory = state / LEDGER
    with ExitStack() as stack:
        with on_disk(directory):
            private_directory(directory)
        with exclusive(directory / OPENING):
            store = store_of(directory, address)
            stack.callback(store.close)
            file, position = verified(store, directory, signing["gate"], known, whole=whole)
        exporter = Exporter(file, position)
        stack.callback(exporter.close)
        writer = Writer(store, position, exporter.tell)
        stack.callback(writer.close)
        yield StoredLedger(store, signing, known, file, writer)


def _place(reading: Reading, receipt: ReceiptId) -> int:
    row = reading.find(receipt)
    if row is None:
        raise ConfigError(f"no receipt {receipt[:99]!r}", "codex-runner show RUN names them")
    return row.seq


def _sealed(statement: Statement, signer: Signer) -> Sealed:
    about, at = statement.about, datetime.now(UTC)
    for word in (about.run, about.agent, about.tenant):
        if _NO_TEXT.search(word):
            raise ConfigError(f"{word[:99]!r} is no text", "use Unicode characters")
    return Sealed(seal(statement, signer, at), statement.kind, Stamp(about, at))
