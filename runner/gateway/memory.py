"""What was answered before, and which actions are over: read from the ledger, then kept up."""

from __future__ import annotations

from collections.abc import Iterable

from runner.gateway.statements import answer_of, predicate_of
from runner.records.base import Sha256
from runner.records.decision import Answer
from runner.records.evidence import Entry

Key = tuple[str, str]
"""Tenant and idempotency key."""


Kept = tuple[Sha256, Sha256, bytes]
"""Digests of the request and of the policy, the answer in JSON: nothing that is collected as
garbage."""


class Memory:
    """Of one gateway. The ledger is the only thing that lasts: nothing is written beside it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """`entries`: decisions and outcomes, in their order; the last answer to a key holds."""
        self._kept: dict[Key, Kept] = {}
        self._over: set[str] = set()
        self._before = set[Key]()
        for entry in entries:
            if entry.kind == "outcome":
                self.close(str(predicate_of(entry).get("receipt")))
            elif entry.kind == "decision" and (found := answer_of(entry)):
                self.keep(*found)
        self._before = set(self._kept)

    def find(self, key: Key) -> Kept | None:
        return self._kept.get(key)

    def is_from_before(self, key: Key) -> bool:
        """Whether its answer was read from the ledger."""
        return key in self._before

    def keep(self, key: Key, request: Sha256, policy: Sha256, answer: Answer) -> None:
        self._before.discard(key)
        self._kept[key] = (request, policy, answer.model_dump_json().encode())

    def is_over(self, receipt: str) -> bool:
        """Whether the outcome of this ALLOW was told."""
        return receipt in self._over

    def close(self, receipt: str) -> None:
        self._over.add(receipt)

    def reopen(self, receipt: str) -> None:
        """Its outcome could not be kept."""
        self._over.discard(receipt)
