"""What the gateway asks of the rest of the system: it decides nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

from runner.records.approval import ApprovalRequest
from runner.records.base import Sha256
from runner.records.decision import Proposal, Verdict
from runner.records.evidence import AgentId, Statement
from runner.records.kill import Kill, Scope

Judge = Callable[[Proposal], Verdict]
"""Quick, and never waits: it is asked in the event loop. A RunnerError of it is a DENY."""
State = Literal["waiting", "approved", "denied", "expired", "used", "unknown"]
"""Of a request to a person."""
Requests = Callable[[], Sequence[tuple[ApprovalRequest, State]]]
"""Those of which some may wait, in the order they were asked. Raises InfraError."""
Scores = Callable[[AgentId | None], Mapping[str, object]]
"""JSON values without floats; None = everybody."""
Head = Callable[[], tuple[int, Sha256]]
"""How many entries the ledger has, and the root of its Merkle tree."""
Pull = Callable[[Scope, str, str, str], tuple[Kill, Statement]]
"""The kill switch: scope, subject, reason, by whom -> what is in force now, to be put on record. A
RunnerError of it is the client's mistake, or the disk's."""


Webhook = Callable[[bytes, Mapping[str, str]], tuple[int, Mapping[str, object]]]
"""A person's word that another system relays: body and headers -> status and what is told."""


class Approvals(Protocol):
    """Requests to people. Called from several threads at once; may wait for a disk."""

    def ask(self, action: Proposal, summary: str, /) -> str | None:
        """Id of the request; None = there is no channel. What waits already keeps its id."""

    def state(self, request: str, /) -> State: ...
    def use(self, request: str, action: Proposal, now: datetime, /) -> str | None:
        """None = allowed, and used up, durably; else why not, in one line."""

    def auto(self, request: str, /) -> str:
        """Which model approved it in a person's place, and of what class; empty = a person did.
        Raises InfraError."""

    def waiting(self) -> tuple[Mapping[str, object], ...]:
        """JSON rows for people. Raises InfraError: they cannot be read."""


class Resolve(Protocol):
    """A person's word on a request."""

    def __call__(
        self, request: str, word: Literal["yes", "no"], digest: Sha256, by: str, reason: str, /
    ) -> None:
        """`digest` is of the action that they looked at.

        Raises:
            RunnerError: why it does not count.
        """


class NoApprovals:
    """`Approvals` where nobody can be asked."""

    def ask(self, _action: Proposal, _summary: str, /) -> str | None:
        return None

    def state(self, _request: str, /) -> State:
        return "unknown"

    def use(self, _request: str, _action: Proposal, _now: datetime, /) -> str | None:
        return "nobody can be asked here"

    def auto(self, _request: str, /) -> str:
        return ""

    def waiting(self) -> tuple[Mapping[str, object], ...]:
        return ()


def insufficient(_agent: AgentId | None) -> Mapping[str, object]:
    """`Scores` of nobody."""
    return {"state": "insufficient"}
