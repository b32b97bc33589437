"""The gate of one session: served beside the model's socket, and closed with an account.

1. It listens before the sandbox starts, in the directory that the sandbox sees already.
2. When the sandbox is dead nothing more is allowed, and every ALLOW gets its outcome: as the broker
   saw it answered, or as codex told its hook, or `unknown`.
3. What ran without an ALLOW is told (`completeness`), whatever the hook did.
"""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from runner import asking, completeness, gating
from runner.advising import Advising, advises
from runner.approvals.queue import Queue
from runner.errors import RunnerError
from runner.gateway import statements
from runner.gateway.asking import Approvals, NoApprovals
from runner.gateway.bodies import Outcome
from runner.gateway.callers import Caller
from runner.gateway.gate import Gate
from runner.gateway.hooks import Hooks
from runner.gateway.server import serving
from runner.halting import Halting
from runner.ports import Lease, Ledger
from runner.records.agent import AgentResult
from runner.records.gated import MOST_REASONS, Decided
from runner.records.identity import Agent
from runner.records.kill import Kill
from runner.records.plan import Plan
from runner.records.usage import ToolCall, Usage
from runner.text import line
from runner.world import Ask, GateRole, Held, unadvised

SOCKET = "gate.sock"
_EXIT = re.compile(
    r"^(?:Process exited with code|Exit code:) (-?[0-9]{1,2}|1[0-9]{2})$", re.MULTILINE
)
"""In the head of what codex 0.163.0 sends back for a command or a patch (2026-11)."""


@dataclass(frozen=True, slots=True)
class Attending:
    """`Attending(plan, ledger, killed)(role, model, lease)` is a session's gate."""

    plan: Plan
    ledger: Ledger
    killed: Callable[[], Kill | None]
    approvals: Approvals = field(default_factory=NoApprovals)
    patience_s: int = 0
    """How long a person may take; 0 = nobody can be asked."""
    prompt: Callable[[], str] = lambda: ""
    """While one is waited for: what to type."""
    queue: Queue | None = None
    """Of which a reviewer is asked besides; None = none is."""

    def __call__(self, role: GateRole, model: str, lease: Lease) -> AbstractContextManager[Held]:
        return self._held(role, model, lease)

    @contextmanager
    def _held(self, role: GateRole, model: str, lease: Lease) -> Iterator[Held]:
        """Raises InfraError: the socket cannot be made, or the ledger not be read."""
        plan = self.plan
        judge = gating.judge_of(plan, self.killed, role)
        gate = Gate(self.ledger, judge, plan.policy_sha256, self.approvals, run=plan.run)
        agent = identity(plan, role, model)
        caller = Caller(agent.id, agent.tenant, run=plan.run)
        hooks = Hooks(gate, caller, secrets.token_hex(4), self.patience_s)
        closing = _Closing(self.ledger, caller, hooks, lease)
        try:
            with serving(hooks, lease.directory / SOCKET, mode=0o666, loop="asyncio"):
                try:
                    patient = _Patient(lease, hooks, self.prompt)
                    yield Held(patient, closing.account, self._advised(hooks, patient))
                finally:
                    hooks.over = True
        finally:
            with suppress(RunnerError):  # what is on its way out goes first
                closing.close()

    def _advised(self, hooks: Hooks, lease: Lease) -> Callable[[Ask], AbstractContextManager[None]]:
        if self.queue is None:
            return unadvised
        waits, served = lambda: hooks.waiting > 0, lambda: lease.usage().served
        return Advising(self.plan, self.queue, waits, served)


def gate_of(
    plan: Plan, ledger: Ledger, halting: Halting, state: Path, environ: Mapping[str, str]
) -> Attending:
    """Of a run. A person can be asked where there is a channel, until the request expires."""
    channels = asking.channels(state, environ, at_terminal=sys.stdin.isatty())
    queue = asking.queue_of(
        state,
        plan.approvals,
        halting.switch,
        level=plan.standing.level,
        author=asking.author(environ),
        channels=channels,
        risk=gating.risk_of(plan.rules),
    )
    patience_s = min(plan.approvals.expires_s, plan.limits.wall_s) if channels else 0
    prompt = partial(asking.prompt, queue, plan.run)
    seen = queue if channels and advises(plan) else None
    return Attending(plan, ledger, halting.killed_by, queue, patience_s, prompt, seen)


def identity(plan: Plan, role: GateRole, model: str) -> Agent:
    """Who a session is: the author, or a reviewer, which answers for nothing the author does."""
    if role == "agent" and plan.agent is not None:
        return plan.agent
    return Agent(
        name="codex" if role == "agent" else "reviewer",
        model=model,
        codex_version=plan.codex_version,
        policy_sha256=plan.policy_sha256,
        tenant=plan.agent.tenant if plan.agent else "",
    )


@dataclass(slots=True)
class _Closing:
    """The end of one session, once."""

    ledger: Ledger
    caller: Caller
    hooks: Hooks
    lease: Lease
    ended: int | None = None
    """ALLOWs that are known to be over; None = nobody looked yet."""
    auto: list[str] = field(default_factory=list)

    def account(self, result: AgentResult) -> AgentResult:
        """Raises InfraError: the outcomes cannot be kept."""
        ended = self.close()
        calls, decided = self.lease.calls(), tuple(self.hooks.decided)
        outputs = tuple(self.hooks.outputs)
        gated = completeness.account(calls, decided, result.codes, ended, outputs)
        why = dict.fromkeys(each.reason for each in decided if each.word != "ALLOW")
        told = {"auto": tuple(self.auto), "why": tuple(why)[:MOST_REASONS]}
        gated = gated.model_copy(update=told)
        return result.model_copy(update={"gated": gated})

    def close(self) -> int:
        if self.ended is not None:
            return self.ended
        self.hooks.over, self.ended = True, 0
        calls = {(each.id, each.tool, each.code_sha256): each for each in self.lease.calls()}
        pending = []
        for each in tuple(self.hooks.decided):
            entry = self.ledger.entry(each.receipt) if each.receipt else None
            if each.word == "ALLOW" and entry is not None:
                call = calls.get((each.id, each.tool, each.code_sha256))
                said = _outcome(each, call, self.hooks)
                self.ended += said.output_sha256 is not None
                decided = statements.statement_of(entry)
                if (reason := statements.auto_approved(decided)) is not None:
                    self.auto.append(line(f"{each.tool}: {reason}, {each.receipt}"))
                statement = statements.outcome(self.caller, decided, said, entry.about)
                pending.append(self.ledger.submit(statement))
        for kept in pending:
            kept.result()
        return self.ended


def _outcome(decided: Decided, call: ToolCall | None, hooks: Hooks) -> Outcome:
    assert decided.receipt is not None
    output = call.output_sha256 if call else None
    answer = (call.answer if call else None) or ""
    found = _EXIT.search(answer.partition("Output:")[0])
    code = int(found[1]) if found else None
    blocked = answer.startswith(completeness.BLOCKED)
    return Outcome(
        receipt_id=decided.receipt,
        status="succeeded" if code == 0 else "failed" if code or blocked else "unknown",
        exit_code=code,
        output_sha256=output or hooks.outputs.get(decided.id),
    )


@dataclass(frozen=True, slots=True)
class _Patient:
    """The `Lease`; whoever waits for a person is not idle."""

    lease: Lease
    hooks: Hooks
    prompt: Callable[[], str]

    @property
    def directory(self) -> Path:
        return self.lease.directory

    def usage(self) -> Usage:
        usage = self.lease.usage()
        return usage.model_copy(update={"waits": self.prompt()}) if self.hooks.waiting else usage

    def calls(self) -> tuple[ToolCall, ...]:
        return self.lease.calls()

    def message(self) -> str:
        return self.lease.message()

    def fault(self) -> str | None:
        return self.lease.fault()

    def quiet_s(self) -> float:
        return 0.0 if self.hooks.waiting else self.lease.quiet_s()
