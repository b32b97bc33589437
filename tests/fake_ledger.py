"""A ledger in memory: nothing is signed, everything is kept; it can be told to fail."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.evidence import PREDICATES, AgentId, Entry, Kind, ReceiptId, Statement


@dataclass
class FakeLedger:
    """The port `Ledger`."""

    kept: list[Entry] = field(default_factory=list)
    broken: bool = False
    """Nothing can be appended any more."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, statement: Statement) -> Future[Entry]:
        done: Future[Entry] = Future()
        if self.broken:
            done.set_exception(InfraError("the ledger cannot be written", "free some disk"))
            return done
        envelope = json.dumps(
            {
                "predicateType": PREDICATES[statement.kind],
                "subject": statement.subject,
                "predicate": statement.predicate,
            },
            sort_keys=True,
            default=dict,
        ).encode()
        with self._lock:
            seq = len(self.kept)
            digest = hashlib.sha256(envelope + str(seq).encode()).hexdigest()
            entry = Entry(
                seq=seq,
                id=ReceiptId(f"rc_{digest[:32]}"),
                kind=statement.kind,
                about=statement.about,
                at=datetime.now(UTC),
                envelope=envelope,
            )
            self.kept.append(entry)
        done.set_result(entry)
        return done

    def append(self, statement: Statement) -> Entry:
        return self.submit(statement).result()

    def entry(self, receipt: ReceiptId) -> Entry | None:
        return next((entry for entry in self.kept if entry.id == receipt), None)

    def entries(
        self,
        *,
        run: RunId | None = None,
        agent: AgentId | None = None,
        kinds: tuple[Kind, ...] = (),
        first: int = 0,
    ) -> Iterator[Entry]:
        for entry in tuple(self.kept[first:]):
            if run not in {None, entry.about.run} or agent not in {None, entry.about.agent}:
                continue
            if not kinds or entry.kind in kinds:
                yield entry
