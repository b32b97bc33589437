"""What has to hold of the ledger's rows, and is made to hold of new ones.

1. Rows are numbered from 0 without gaps, and each names the head of the one before.
2. A row's columns are what its envelope says; its id is the envelope's digest.
3. Its hashes are those of the Merkle tree over all envelopes so far.
4. At the size of a signed checkpoint the tree has the checkpoint's root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runner.ledger.checkpoint import Checkpoint
from runner.ledger.dsse import Json, ReceiptError, Stamp, stamp_of, unverified
from runner.ledger.merkle import HASH_BYTES, Tree, leaf_hash, tree_of
from runner.ledger.rows import MismatchError, Reading, Row, Tip
from runner.records.evidence import Entry, Kind, ReceiptId

Read = Callable[[Row], tuple[Json, Kind | None]]
"""What a row's envelope says, and of which kind it is. Raises ReceiptError: it does not count."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed statement, not yet appended."""

    envelope: bytes
    kind: Kind
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Position:
    """Where a log ends."""

    tree: Tree = field(default_factory=Tree)
    """Never changed."""
    head: bytes = bytes(HASH_BYTES)

    @property
    def size(self) -> int:
        return self.tree.size

    def next(self, sealed: Sealed) -> tuple[Row, Position]:
        """The row that this statement becomes here, and where the log ends then."""
        about, leaf, tree = sealed.stamp.about, leaf_hash(sealed.envelope), self.tree.copy()
        head = hashlib.sha256(self.head + leaf).digest()
        row = Row(
            seq=self.size,
            id=receipt_id(sealed.envelope),
            kind=sealed.kind,
            run=about.run,
            agent=about.agent,
            tenant=about.tenant,
            at=sealed.stamp.at.isoformat(),
            envelope=sealed.envelope,
            prev=self.head,
            head=head,
            nodes=tree.append(leaf),
        )
        return row, Position(tree, head)

    @property
    def tip(self) -> Tip | None:
        """What the last row has to be; None = there is none."""
        return (self.size - 1, self.head) if self.size else None

    def past(self, row: Row, read: Read) -> Position:
        """Where the log ends with this row. Raises MismatchError: it cannot be the next one."""
        if row.seq != self.size:
            raise MismatchError(self.size, "is gone")
        try:
            statement, kind = read(row)
            if kind is None:
                raise ReceiptError("its predicate is none of ours")
            expected, position = self.next(Sealed(row.envelope, kind, stamp_of(statement)))
        except ReceiptError as error:
            raise MismatchError(row.seq, f"does not count: {error}") from error
        for name, ours, theirs in zip(Row._fields, expected, row, strict=True):
            if ours != theirs:
                raise MismatchError(row.seq, f"was changed: its {name!r} does not fit")
        return position


def trusting(row: Row) -> tuple[Json, Kind | None]:
    """A `Read` that looks at no signature."""
    return unverified(row.envelope)


def entry_of(row: Row) -> Entry:
    """What a reader is given. Raises MismatchError: its columns are not what its envelope says."""
    try:
        statement, kind = unverified(row.envelope)
        stamp = stamp_of(statement)
    except ReceiptError as error:
        raise MismatchError(row.seq, f"does not count: {error}") from error
    entry = row.entry
    if (receipt_id(row.envelope), kind, stamp) != (
        entry.id,
        entry.kind,
        Stamp(entry.about, entry.at),
    ):
        raise MismatchError(row.seq, "was changed: what it is found by is not what was signed")
    return entry


def receipt_id(envelope: bytes) -> ReceiptId:
    return ReceiptId(f"rc_{hashlib.sha256(envelope).hexdigest()[:32]}")


def position_at(size: int, reading: Reading) -> Position:
    """As the rows themselves say. Raises MismatchError: those are not there."""
    if size == 0:
        return Position()
    last = reading.row(size - 1)
    if last is None:
        raise MismatchError(size - 1, "is gone")
    return Position(tree_of(size, reading.node), last.head)


def caught_up(position: Position, reading: Reading) -> Position:
    """Past what others appended. Raises MismatchError: what was there before is not any more."""
    tip = reading.tip()
    if tip is not None and tip == position.tip:
        return position
    if position.size:
        known = reading.row(position.size - 1)
        if known is None or known.head != position.head:
            raise MismatchError(position.size - 1, "was cut off or rewritten")
    return walk(position, reading.every(position.size))


def walk(
    position: Position,
    rows: Iterable[Row],
    checkpoint: Checkpoint | None = None,
    read: Read = trusting,
) -> Position:
    """Past all `rows`.

    Raises:
        MismatchError: the first row that is wrong, or gone although the checkpoint counts it.
    """
    for row in rows:
        _require_root(position, checkpoint)
        position = position.past(row, read)
    _require_root(position, checkpoint)
    if checkpoint is not None and position.size < checkpoint.size:
        raise MismatchError(
            position.size, f"is gone: {checkpoint.size} were signed for, {position.size} are there"
        )
    return position


def _require_root(position: Position, checkpoint: Checkpoint | None) -> None:
    if checkpoint is None or position.size != checkpoint.size:
        return
    if position.tree.root() != checkpoint.root:
        raise MismatchError(
            position.size - 1,
            "or one before it was rewritten: the signed checkpoint says otherwise",
        )
