"""A queue with a key of its own, a clock that is set, and commands to ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.approvals.queue import Queue
from runner.approvals.standing import Standing
from runner.ledger.dsse import seal, unseal
from runner.ledger.keys import Signer
from runner.policy.command_class import classify
from runner.records.approval import Action, ApprovalRules
from runner.records.base import Oid, RunId, Sha256
from runner.records.decision import Proposal
from runner.records.evidence import AgentId, Statement

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = RunId("20261120-102233-7f3a9c")
POLICY = Sha256("c" * 64)


def proposal(code: str = "make build", **changes: object) -> Proposal:
    return Proposal(
        agent=AgentId("ag_0123456789abcdef"),
        tenant="",
        run=RUN,
        tools=("Bash",),
        code=code,
        policy=POLICY,
    ).model_copy(update=changes)


def publication(**changes: object) -> Action:
    return Action(
        what="publish",
        run=RUN,
        base=Oid("a" * 40),
        tree=Oid("b" * 40),
        remote="https://github.com/o/r.git",
        target="main",
        policy=POLICY,
        asker="agent:gpt-5.5",
    ).model_copy(update=changes)


@dataclass
class Desk:
    """`Desk(tmp_path).queue`; `later(...)` moves its clock."""

    home: Path
    now: datetime = NOW
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    stopped: str | None = None
    dead: set[RunId] = field(default_factory=set)

    @property
    def queue(self) -> Queue:
        """Opened anew, as after a restart."""
        return self.with_rules()

    def with_rules(self, **rules: Any) -> Queue:
        standing = Standing(
            unseal=self.unseal,
            rules=ApprovalRules(**rules),
            stopped=lambda _: self.stopped,
            alive=lambda run: run not in self.dead,
            risk=classify,
        )
        return Queue(
            self.home, self.seal, standing, channels=("terminal", "webhook"), clock=self.clock
        )

    def within(self, **changes: Any) -> Queue:
        return replace(self.queue, **changes)

    def clock(self) -> datetime:
        return self.now

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def seal(self, statement: Statement) -> bytes:
        return seal(statement, Signer.of(self.key))

    def unseal(self, envelope: bytes) -> Mapping[str, object]:
        signer = Signer.of(self.key)
        found = unseal(envelope, {signer.keyid: self.key.public_key()})
        predicate = found.statement["predicate"]
        assert found.kind == "approval" and isinstance(predicate, dict)
        return predicate

    def ask(self, action: Proposal | Action | None = None) -> str:
        request = self.queue.ask(action or proposal(), "Bash: make build")
        assert request is not None
        return request

    def approve(self, request: str, approver: str = "user:ada") -> None:
        digest = self.queue.find(request)[0].action
        self.queue.resolve(request, "yes", digest, approver, "terminal")

    def deny(self, request: str, approver: str = "user:ada") -> None:
        digest = self.queue.find(request)[0].action
        self.queue.resolve(request, "no", digest, approver, "terminal")
