"""The execution gate: decides, keeps the decision, and only then answers.

1. Who asks is known from the connection. A body that names another agent or tenant is denied, and
   one that names a run, unless the connection is that run's.
2. One decision for each tenant and idempotency key: who asks again is told the same, and another
   request under a key that is taken is denied. Equal requests at one time are decided once.
3. An answer leaves when its receipt is durable. A ledger that cannot be written denies everything.
4. What a person has to decide is PENDING until they did; then the request is judged again, the
   approval used up, and only then allowed. A kill, or a policy that denies it now, also ends what
   waits or was allowed before; what holds at a lower level only, or needs a person by now, is
   decided anew.
5. Everybody is denied only so often with a receipt: a flood fills no ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.errors import RunnerError
from runner.gateway import statements
from runner.gateway.asking import Approvals, Judge, NoApprovals
from runner.gateway.bodies import Outcome
from runner.gateway.callers import Caller, Peer
from runner.gateway.memory import Key, Memory
from runner.gateway.pace import Pace, spam_pace, usual_pace
from runner.gateway.reading import MalformedError, read
from runner.gateway.reply import Reply, answered, told, wrong
from runner.ports import Ledger
from runner.records.base import RunId, Sha256
from runner.records.decision import Answer, Constraints, Proposal, Request, Verdict
from runner.records.evidence import Entry, ReceiptId, Statement
from runner.text import line

LEAST = Constraints(level=0, sandbox="read-only")
"""For an action that a person allowed, when the judge does not say under what."""
RUN = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
"""Names of runs: what anybody else has asked is no part of their evidence."""
UNAVAILABLE = "ledger_unavailable: the decision cannot be recorded"
NO_CHANNEL = "approval_unavailable: a person would have to decide, and nobody can be asked here"
FLOOD = "too many requests: slow down"
SUMMARY = 300


@dataclass
class Gate:
    """Belongs to one event loop. `Gate(ledger, judge, policy, run=...)` is a session's own."""

    ledger: Ledger
    judge: Judge
    policy: Sha256
    approvals: Approvals = field(default_factory=NoApprovals)
    run: RunId | None = None
    """Of a session: then keys are its own, and no other run's entries are read."""
    vouched: Callable[[Entry], bool] = lambda _: True
    """Whether a gate of ours has signed what was there before: others may write to a ledger."""
    spam: Pace = field(default_factory=spam_pace)
    decisions: Pace = field(default_factory=usual_pace)
    unrecorded: int = 0
    """Answers that have no receipt because the ledger failed."""
    failing: bool = False
    """So it did the last time."""

    def __post_init__(self) -> None:
        """Raises InfraError: the ledger cannot be read."""
        self._memory = Memory(self.ledger.entries(run=self.run, kinds=("decision", "outcome")))
        self._deciding: dict[Key, asyncio.Event] = {}

    async def execute(self, caller: Caller | None, peer: Peer | None, body: bytes | None) -> Reply:
        """The answer to `POST /api/execute`; no body = it was too large, or too slow."""
        if caller is None or caller.agent is None:
            who = f"uid {peer.uid}" if peer else "strangers"
            reason = "nobody is known by this user id or token"
            return answered(*await self._refuse(None, who, 401, body, "identity", reason))
        try:
            request = read(Request, body)
        except MalformedError as error:
            reason = str(error)
            return answered(
                *await self._refuse(caller, caller.agent, 400, body, "malformed", reason)
            )
        return answered(*await self.decide(caller, request))

    async def decide(self, caller: Caller, request: Request) -> tuple[Answer, int]:
        """The answer to a request that was read, and its HTTP status: 200 if it was judged."""
        agent, content = caller.agent or "strangers", request.canonical()
        if (request.agent_id, request.tenant_id) != (caller.agent, caller.tenant):
            reason = "this connection belongs to another agent or tenant than the body names"
            return await self._refuse(caller, agent, 403, content, "identity", reason)
        if _is_anothers(request.opportunity_id, caller):
            reason = "opportunity_id: that is the name of a run, and this connection is not its own"
            return await self._refuse(caller, agent, 403, content, "identity", reason)
        key = (request.tenant_id, request.idempotency_key)
        while (other := self._deciding.get(key)) is not None:
            await other.wait()
        done = self._deciding[key] = asyncio.Event()
        try:
            return await self._answer(key, _Asked(caller, request, content, self.policy))
        finally:
            del self._deciding[key]
            done.set()

    async def outcome(self, caller: Caller, body: bytes | None) -> Reply:
        """The answer to `POST /api/outcome`: once for each ALLOW, of the agent that got it."""
        try:
            said = read(Outcome, body)
        except MalformedError as error:
            return wrong(400, str(error))
        entry = await asyncio.to_thread(self.ledger.entry, said.receipt_id)
        receipt = statements.allowed(entry, caller)
        if entry is None or receipt is None or _is_anothers(entry.about.run, caller):
            return wrong(404, "no ALLOW of this agent has that receipt")
        if self._memory.is_over(receipt):
            return wrong(409, "its outcome was told before")
        self._memory.close(receipt)  # before waiting: whoever comes meanwhile is second
        decided = statements.statement_of(entry)
        kept = await self.keep(statements.outcome(caller, decided, said, entry.about))
        if kept is None:
            self._memory.reopen(receipt)
            return wrong(503, UNAVAILABLE)
        return told({"receipt_id": kept.id, "outcome_of": receipt})

    async def keep(self, statement: Statement) -> Entry | None:
        """Appended, durably; None = the ledger cannot be written."""
        try:
            entry = await asyncio.wrap_future(self.ledger.submit(statement))
        except RunnerError:
            self.unrecorded += 1
            self.failing = True
            return None
        self.failing = False
        return entry

    async def _answer(self, key: Key, asked: _Asked) -> tuple[Answer, int]:
        kept, agent = self._memory.find(key), asked.request.agent_id
        if kept is None:
            if not self.decisions.take(agent):
                return _denied(FLOOD), 429
            return await self._decided(key, asked, *await self._first(asked))
        sha256, policy, told_before = kept
        if sha256 != asked.sha256:
            reason = "this idempotency key belongs to another request"
            return await self._refuse(asked.caller, agent, 409, asked.content, "replay", reason)
        answer = Answer.model_validate_json(told_before)
        if answer.decision == "ALLOW" and not (
            self._holds(answer, policy, asked.proposal) and await self._is_ours(key, answer)
        ):
            return await self._decided(key, asked, *await self._first(asked))
        verdict = await self._since(answer, asked.proposal)
        if verdict is None:
            return answer.model_copy(update={"replayed": True}), 200
        return await self._decided(key, asked, verdict, None)

    async def _first(self, asked: _Asked) -> tuple[Verdict, str | None]:
        """What the judge says; a PENDING has the id of what a person is asked."""
        verdict, action = self._judged(asked.proposal), asked.proposal
        if verdict.word != "PENDING":
            return verdict, None
        summary = line(f"{', '.join(action.tools)}: {action.code}", SUMMARY)
        approval = await asyncio.to_thread(self.approvals.ask, action, summary)
        if approval is None:
            return _denial("approval", NO_CHANNEL, verdict.where), None
        return verdict, approval

    def _holds(self, allowed: Answer, policy: Sha256, proposal: Proposal) -> bool:
        """Whether no less is allowed now. Where a person is to be asked, one was, under the same
        policy."""
        now, before = self._judged(proposal), allowed.constraints or LEAST
        if now.word == "DENY" or (now.word == "PENDING" and policy != self.policy):
            return False
        return (now.constraints or LEAST).level >= before.level

    async def _is_ours(self, key: Key, allowed: Answer) -> bool:
        """Whether it was said by a gate, not written by somebody who has no key."""
        if not self._memory.is_from_before(key) or allowed.receipt_id is None:
            return True
        try:
            entry = await asyncio.to_thread(self.ledger.entry, allowed.receipt_id)
        except RunnerError:
            return False
        return entry is not None and self.vouched(entry)

    async def _since(self, answer: Answer, proposal: Proposal) -> Verdict | None:
        """What holds now instead of a word that was not final; None = that still holds."""
        if answer.decision != "PENDING" or answer.approval_id is None:
            return None
        if (now := self._judged(proposal)).word == "DENY":
            return now
        match await asyncio.to_thread(self.approvals.state, answer.approval_id):
            case "waiting":
                return None
            case "approved":
                return await self._approved(proposal, answer.approval_id)
            case state:
                return _denial("approval", f"the request to a person is {state}")

    async def _approved(self, proposal: Proposal, approval: str) -> Verdict:
        """Judged again, and the approval used up."""
        verdict = self._judged(proposal)
        if verdict.word == "DENY":
            return verdict
        now = datetime.now(UTC)
        refused = await asyncio.to_thread(self.approvals.use, approval, proposal, now)
        if refused is not None:
            return _denial("approval", refused)
        try:
            auto = await asyncio.to_thread(self.approvals.auto, approval)
        except RunnerError as error:
            return _denial("approval", error.problem)
        return Verdict(
            word="ALLOW",
            reason=f"no person, a reviewer approved it: {auto}" if auto else "a person approved it",
            rule=statements.AUTO if auto else "approval",
            where=verdict.where,
            constraints=verdict.constraints or LEAST,
        )

    def _judged(self, proposal: Proposal) -> Verdict:
        try:
            verdict = self.judge(proposal)
        except RunnerError as error:
            return _denial("judge", line(f"it cannot be judged: {error.problem}"))
        if verdict.word == "ALLOW" and verdict.constraints is None:
            return verdict.model_copy(update={"constraints": LEAST})
        return verdict

    async def _decided(
        self, key: Key, asked: _Asked, verdict: Verdict, approval: str | None
    ) -> tuple[Answer, int]:
        """Appended, durable, remembered, answered: in this order."""
        entry = await self.keep(
            statements.decision(asked.request, asked.proposal, verdict, approval, asked.sha256)
        )
        if entry is None:
            return _denied(UNAVAILABLE), 503
        answer = Answer(
            decision=verdict.word,
            receipt_id=entry.id,
            reason=verdict.reason,
            constraints=verdict.constraints if verdict.word == "ALLOW" else None,
            approval_id=approval,
        )
        self._memory.keep(key, asked.sha256, self.policy, answer)
        return answer, 200

    async def _refuse(
        self,
        caller: Caller | None,
        who: str,
        status: int,
        body: bytes | None,
        rule: str,
        reason: str,
    ) -> tuple[Answer, int]:
        """A DENY of what is not judged; with a receipt, unless there were too many of them."""
        if not self.spam.take(who):
            return _denied(FLOOD), 429
        entry = await self.keep(statements.refusal(caller, body, rule, reason))
        if entry is None:
            return _denied(UNAVAILABLE), 503
        return _denied(reason, entry.id), status


class _Asked:
    """One request that was read, and what it asks for."""

    def __init__(self, caller: Caller, request: Request, content: bytes, policy: Sha256) -> None:
        assert caller.agent is not None
        self.caller, self.request, self.content = caller, request, content
        self.sha256 = Sha256(hashlib.sha256(content).hexdigest())
        self.proposal = Proposal(
            agent=caller.agent,
            tenant=caller.tenant,
            run=caller.run or RunId(request.opportunity_id),
            tools=tuple(request.tools),
            code=request.code,
            policy=policy,
        )


def _is_anothers(run: str, caller: Caller) -> bool:
    """Whether only a connection of that run may speak of it."""
    return caller.run is None and RUN.fullmatch(run) is not None


def _denied(reason: str, receipt: ReceiptId | None = None) -> Answer:
    return Answer(decision="DENY", receipt_id=receipt, reason=reason)


def _denial(rule: str, reason: str, where: str = "") -> Verdict:
    return Verdict(word="DENY", reason=line(reason), rule=rule, where=where)
