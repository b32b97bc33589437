"""The ledger's table, as both databases are asked about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from runner.ledger.merkle import HASH_BYTES
from runner.records.base import RunId
from runner.records.evidence import About, AgentId, Entry, Kind, ReceiptId

PAGE = 256
"""Rows read at once."""


class MismatchError(Exception):
    """The ledger is not what was written."""

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(f"entry {seq} {why}")
        self.seq = seq


class Row(NamedTuple):
    """One entry. All but `envelope` follows from it and from the rows before."""

    seq: int
    id: str
    kind: str
    run: str
    agent: str
    tenant: str
    at: str
    envelope: bytes
    prev: bytes
    """`head` of the row before; 32 zero bytes in the first."""
    head: bytes
    """SHA-256 of `prev` and the leaf's hash."""
    nodes: bytes
    """The leaf's hash, and those of the Merkle subtrees that are complete with it."""

    @property
    def entry(self) -> Entry:
        return Entry(
            seq=self.seq,
            id=ReceiptId(self.id),
            kind=cast(Kind, self.kind),
            about=About(RunId(self.run), AgentId(self.agent), self.tenant),
            at=datetime.fromisoformat(self.at),
            envelope=self.envelope,
        )


COLUMNS = ", ".join(Row._fields)
_SELECT = f"SELECT {COLUMNS} FROM entries"
PLACES = f"({', '.join('?' * len(Row._fields))})"
"""Of one row; an `INSERT` is followed by one or more of them."""
INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES"

Tip = tuple[int, bytes]
"""`seq` and `head` of the last row."""
Execute = Callable[[str, Sequence[object]], Iterable[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Questions to one connection; parameters are marked with `?`."""

    execute: Execute

    def row(self, seq: int) -> Row | None:
        return self._one(f"{_SELECT} WHERE seq = ?", seq)

    def find(self, receipt: ReceiptId) -> Row | None:
        return self._one(f"{_SELECT} WHERE id = ?", receipt)

    def tip(self) -> Tip | None:
        for seq, head in self.execute(
            "SELECT seq, head FROM entries ORDER BY seq DESC LIMIT 1", ()
        ):
            return cast(int, seq), cast(bytes, head)
        return None

    def count(self) -> int:
        ((count,),) = self.execute("SELECT count(*) FROM entries", ())
        return cast(int, count)

    def origin(self) -> str:
        """Of the log. Raises MismatchError: it has none, or several."""
        found = [str(origin) for (origin,) in self.execute("SELECT origin FROM log", ())]
        if len(found) != 1:
            raise MismatchError(0, f"has {len(found)} origins before it, not one")
        return found[0]

    def rows(
        self,
        first: int = 0,
        *,
        run: RunId | None = None,
        agent: AgentId | None = None,
        kinds: tuple[Kind, ...] = (),
    ) -> list[Row]:
        """The next page from `first` on."""
        conditions, values = ["seq >= ?"], list[object]([first])
        for name, value in (("run", run), ("agent", agent)):
            if value is not None:
                conditions.append(f"{name} = ?")
                values.append(value)
        if kinds:
            conditions.append(f"kind IN ({', '.join('?' * len(kinds))})")
            values += kinds
        where = " AND ".join(conditions)
        found = self.execute(f"{_SELECT} WHERE {where} ORDER BY seq LIMIT {PAGE}", values)
        return [Row._make(each) for each in found]

    def every(self, first: int = 0) -> Iterator[Row]:
        """All from `first` on."""
        while page := self.rows(first):
            yield from page
            first = page[-1].seq + 1

    def node(self, level: int, index: int) -> bytes:
        """Of the Merkle tree. Raises MismatchError: it is not there."""
        seq = ((index + 1) << level) - 1
        for (nodes,) in self.execute("SELECT nodes FROM entries WHERE seq = ?", (seq,)):
            found = cast(bytes, nodes)[level * HASH_BYTES :][:HASH_BYTES]
            if len(found) == HASH_BYTES:
                return found
        raise MismatchError(seq, "is gone, or lacks a hash")

    def _one(self, question: str, value: object) -> Row | None:
        for found in self.execute(question, (value,)):
            return Row._make(found)
        return None


@dataclass(frozen=True, slots=True)
class Writing(Reading):
    """A transaction that nobody else writes beside."""

    insert: Callable[[Sequence[Row]], None]


class Store(Protocol):
    """Where the table is."""

    @property
    def name(self) -> str:
        """For messages."""

    @property
    def shared(self) -> bool:
        """Whether other hosts write to it."""

    def guarded(self, reading: Reading) -> None:
        """Raises MismatchError or ConfigError: what keeps it append-only is not in place."""

    def reading(self) -> AbstractContextManager[Reading]:
        """One state of it. Raises InfraError."""

    def extend(self, tip: Tip | None, rows: Sequence[Row]) -> bool:
        """`rows`, durably, if the log ends at `tip`; else nothing. Raises InfraError."""

    def writing(self) -> AbstractContextManager[Writing]:
        """One transaction, durable when it is left. Raises InfraError."""

    def examine(self) -> None:
        """What only the database itself can tell. Raises MismatchError, InfraError."""

    def close(self) -> None: ...
