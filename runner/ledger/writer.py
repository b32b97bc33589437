"""One thread that appends: whatever waits goes into one transaction, and is answered after it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from runner.errors import InfraError
from runner.ledger.chain import Position, Sealed, caught_up
from runner.ledger.rows import MismatchError, Row, Store
from runner.records.evidence import Entry

MOST = 256
"""Statements in one transaction."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A statement, or None = only catch up with other processes."""

    sealed: Sealed | None
    done: Future[Entry | None] = field(default_factory=Future)


class Writer:
    """Appends to `store`, of which `position` is the verified end."""

    def __init__(self, store: Store, position: Position, tell: Callable[[Position], None]) -> None:
        self._store, self.position, self._tell = store, position, tell
        """`position` is durable, and `tell` hears of each."""
        self._queue: SimpleQueue[Waiting | None] = SimpleQueue()
        self._gate, self._closed = threading.Lock(), False
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def put(self, sealed: Sealed | None) -> Future[Entry | None]:
        """Its future cannot be cancelled: what was asked for is done, or fails."""
        waiting = Waiting(sealed)
        waiting.done.set_running_or_notify_cancel()
        with self._gate:
            if not self._closed:
                self._queue.put(waiting)
                return waiting.done
        waiting.done.set_exception(_over())
        return waiting.done

    def close(self) -> None:
        """After everything that was put before."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        batch: list[Waiting] = []
        try:
            while batch := self._next():
                self._answer(batch)
        finally:  # also when something is wrong with this program: nobody waits for ever
            with self._gate:
                self._closed = True
            with suppress(Empty):
                while True:
                    if left := self._queue.get_nowait():
                        batch.append(left)
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(_over())

    def _next(self) -> list[Waiting]:
        """All that waits; empty = the end."""
        first = self._queue.get()
        if first is None:
            return []
        batch = [first]
        with suppress(Empty):
            while len(batch) < MOST:
                more = self._queue.get_nowait()
                if more is None:
                    self._queue.put(None)  # nothing is put after it
                    break
                batch.append(more)
        return batch

    def _answer(self, batch: list[Waiting]) -> None:
        try:
            rows = self._append([waiting.sealed for waiting in batch])
        except InfraError as error:
            for waiting in batch:
                waiting.done.set_exception(error)
            return
        self._tell(self.position)
        for waiting, row in zip(batch, rows, strict=True):
            waiting.done.set_result(row and row.entry)

    def _append(self, batch: list[Sealed | None]) -> list[Row | None]:
        """In one step where nobody else has appended; else past what they did."""
        rows, position = _rows(self.position, batch)
        new = [row for row in rows if row]
        try:
            if not new or not self._store.extend(self.position.tip, new):
                with self._store.writing() as writing:
                    rows, position = _rows(caught_up(self.position, writing), batch)
                    if new := [row for row in rows if row]:
                        writing.insert(new)
        except MismatchError as error:
            raise altered(self._store.name, error) from error
        self.position = position
        return rows


def _rows(position: Position, batch: list[Sealed | None]) -> tuple[list[Row | None], Position]:
    """What these become behind `position`, and where the log ends then."""
    rows: list[Row | None] = []
    for sealed in batch:
        row = None
        if sealed is not None:
            row, position = position.next(sealed)
        rows.append(row)
    return rows, position


def altered(name: str, error: MismatchError) -> InfraError:
    """The ledger does not match itself, or what was signed for."""
    return InfraError(
        f"the ledger {name} is not what was written: {error}; nothing is appended to it",
        "find out who changed it; restore it from a copy, or keep it aside and begin a new one",
    )


def _over() -> InfraError:
    return InfraError("the ledger is closed; this was not recorded", "start the command again")
