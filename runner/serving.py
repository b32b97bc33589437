"""A gateway of its own, for agents that no run of ours holds: settings and policy -> a gate.

1. Whose word a request is: the user id at the other end of the UNIX socket, or a bearer token.
2. What holds is decided once, when it starts: the operator's policy and, with a repository, its own
   at the base commit. Another policy needs another start, and has another digest.
3. One gateway for each state directory: what was answered before is in its memory only.
"""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Literal

from runner import asking, trusting
from runner.approvals.queue import Queue
from runner.approvals.webhook import Webhook
from runner.approvals.webhook import load as load_relay
from runner.errors import ConfigError
from runner.gates.paths import PROTECTED
from runner.gateway.application import Door
from runner.gateway.asking import Judge
from runner.gateway.callers import Caller, Known
from runner.gateway.gate import Gate
from runner.gateway.pace import RATE_PER_S, usual_pace
from runner.gateway.page import Page
from runner.gateway.place import Place, home_of, tokens_of
from runner.gateway.server import serving
from runner.gateway.tokens import Tokens
from runner.gating import judge_of
from runner.halting import recalled, statement_of
from runner.killswitch import Switch, repository_names, why
from runner.ledger.folder import on_disk, private_directory
from runner.ledger.keys import has_key, local_signer
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.outcomes import KINDS
from runner.live import hold
from runner.policy.lattice import Decided, decide
from runner.policy.layers import built_in
from runner.policy.levels import decide_level, policy_bounds, trigger_bounds
from runner.policy.repo_policy import read_repo_policy
from runner.policy.settings import Settings
from runner.records.approval import ApprovalRules, Channel
from runner.records.base import Sha256
from runner.records.decision import Proposal, Verdict
from runner.records.evidence import AgentId, Kind, Statement
from runner.records.identity import Agent
from runner.records.kill import Kill, Scope, Target
from runner.records.level import Standing
from runner.records.policy import Layer
from runner.records.rules import CommandRule
from runner.workspace.source import open_source

LOCK = "lock"
"""In STATE/gateway: held by the one gateway that serves it."""
TRUST_S = 5.0
"""After this long an agent's trust is looked at again."""
OUTCOMES: tuple[Kind, ...] = ("merged", "promotion", "verdict", "approval")
"""What can be severe; who is denied is not, and makes up most of a gateway's ledger."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One `codex-runner gateway serve`."""

    settings: Settings
    state: Path
    place: Place
    repository: Path | None = None
    base: str | None = None
    agents: Mapping[int, str] = field(default_factory=dict)
    """User id -> name of the agent that runs as it."""
    tenant: str = ""
    rate_per_s: int = RATE_PER_S
    """Decisions of one agent, sustained."""
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Serving:
    """What is up. `failed` counts answers that could not be recorded."""

    place: Place
    policy: Sha256
    failed: Callable[[], int]


@contextmanager
def served(asked: Asked) -> Iterator[Serving]:
    """A gateway, until the `with` is left.

    Raises:
        ConfigError: the place is taken or not private, the policy is wrong, another gateway serves
            this state directory.
        InfraError: the ledger cannot be used.
    """
    home = home_of(asked.state)
    with ExitStack() as stack:
        with on_disk(home):
            private_directory(home)
        stack.callback(os.close, _only_one(home))
        opened = open_ledger(asked.state, address=asked.settings.ledger, whole=True)
        ledger = stack.enter_context(opened)
        switch = recalled(asked.state, asked.settings.kill_file, ledger)
        parts = _Parts(asked, _decided(asked), ledger, switch, Tokens(tokens_of(asked.state)))
        trusting.read_book(asked.state, ledger)  # now, not while somebody waits for an answer
        queue, judges = parts.queue(), _Judges(parts)
        stack.callback(judges.close)
        judge, policy = parts.judge(judges), parts.decided.policy.digest()
        pace = usual_pace(asked.rate_per_s)
        gate = Gate(ledger, judge, policy, queue, vouched=ledger.vouches, decisions=pace)
        door = parts.door(gate, queue)
        mode = 0o600 if asked.agents.keys() <= {os.getuid()} else 0o666  # peer credentials decide
        place = stack.enter_context(serving(door.application, asked.place, mode=mode))
        yield Serving(place, gate.policy, lambda: gate.unrecorded)


def named(name: str, tenant: str = "") -> AgentId:
    """The id of the agent of this name."""
    nothing = Sha256("0" * 64)
    return Agent(name=name, model="", codex_version="", policy_sha256=nothing, tenant=tenant).id


@dataclass(frozen=True, slots=True)
class _Ruled:
    """What the judge looks at, without a run."""

    rules: tuple[CommandRule, ...]
    protected: tuple[str, ...]
    standing: Standing
    approvals: ApprovalRules


@dataclass(frozen=True, slots=True)
class _Parts:
    """What one gateway is made of."""

    asked: Asked
    decided: Decided
    ledger: StoredLedger
    switch: Switch
    tokens: Tokens

    def judge(self, judges: _Judges) -> Judge:
        """The kill switch is asked about each proposal by all its names; then the policy, at the
        level that its agent has."""
        asked = self.asked
        key = local_signer(asked.state).keyid
        repos = repository_names(str(asked.repository.resolve())) if asked.repository else ()

        def judged(proposal: Proposal) -> Verdict:
            agent = proposal.agent
            target = Target(
                run=proposal.run, agent=agent, repos=repos, key=key, policy=proposal.policy
            )
            if (kill := self.switch.hits(target)) is not None:
                return Verdict(word="DENY", reason=why(kill), rule="kill")
            return judges.of(agent)(proposal)

        return judged

    def ruled(self, agent: AgentId | None) -> _Ruled:
        """Raises InfraError: what became of the agent's work cannot be read."""
        policy, asked = self.decided.policy, self.asked
        standing = decide_level((*policy_bounds(self.decided), *trigger_bounds(asked.environ)))
        if agent is not None:
            trust = trusting.trust_of(asked.state, self.ledger, agent)
            standing = standing.lowered(trusting.bounds(trust, enforce=policy.trust.enforce))
        return _Ruled(policy.rules, policy.protected, standing, policy.approvals)

    def queue(self) -> Queue:
        """Somebody can be asked where an approver has a key, and a token or a relay."""
        state, approvals = self.asked.state, self.decided.policy.approvals
        channels = asking.channels(state, self.asked.environ, at_terminal=False)
        if self.tokens.resolve():
            channels = ("gateway", *channels)
        return asking.queue_of(
            state,
            approvals,
            self.switch,
            level=self.ruled(None).standing.level,
            channels=channels if has_key(state, "approver") else (),
        )

    def door(self, gate: Gate, queue: Queue) -> Door:
        tenant, tcp = self.asked.tenant, not isinstance(self.asked.place, Path)
        uids = {
            uid: Caller(named(name, tenant), tenant)
            for uid, name in self.asked.agents.items()
            if not tcp
        }
        known, relay = Known(uids, self.tokens), load_relay(queue.home)
        return Door(
            gate,
            known,
            scores=partial(trusting.scores, self.asked.state, self.ledger),
            head=self.head,
            pull=self.pull,
            resolve=partial(_resolve, queue, "gateway"),
            webhook=None if relay is None else Webhook(queue, relay).answer,
            page=Page(known, queue.requests, partial(_resolve, queue, "web")),
            loopback=tcp,
        )

    def pull(self, scope: Scope, subject: str, reason: str, by: str) -> tuple[Kill, Statement]:
        kill = self.switch.pull(scope, subject, reason, by)
        return kill, statement_of(kill)

    def head(self) -> tuple[int, Sha256]:
        _, size, root = self.ledger.checkpoint().decode().split("\n")[:3]
        return int(size), Sha256(base64.b64decode(root).hex())


class _Judges:
    """One for each agent, at the level it has now: looked at again beside the event loop."""

    def __init__(self, parts: _Parts) -> None:
        self._parts = parts
        self._made: dict[AgentId, tuple[Judge, int, float]] = {}
        """The judge, how long the ledger was, and until when it holds."""
        self._pool = ThreadPoolExecutor(1, "trust")
        self._coming: dict[AgentId, Future[None]] = {}

    def of(self, agent: AgentId) -> Judge:
        """Raises InfraError: what became of the agent's work cannot be read."""
        if agent not in self._made:
            self._make(agent)
        judge, _, until = self._made[agent]
        coming = self._coming.get(agent)
        if coming is not None and coming.done():
            del self._coming[agent]
            if coming.exception() is not None:
                del self._made[agent]
            coming.result()
        elif coming is None and monotonic() >= until:
            self._coming[agent] = self._pool.submit(self._make, agent)
        return judge

    def close(self) -> None:
        self._pool.shutdown()

    def _make(self, agent: AgentId) -> None:
        parts, size = self._parts, self._parts.ledger.size
        judge, first, _ = self._made.get(agent, (None, 0, 0.0))
        kinds = KINDS if parts.decided.policy.trust.enforce else OUTCOMES
        if judge is None or any(parts.ledger.entries(kinds=kinds, first=first)):
            judge = judge_of(parts.ruled(agent), lambda: None)
        self._made[agent] = (judge, size, monotonic() + TRUST_S)


def _resolve(
    queue: Queue,
    channel: Channel,
    request: str,
    word: Literal["yes", "no"],
    digest: Sha256,
    by: str,
    reason: str,
    /,
) -> None:
    queue.resolve(request, word, digest, by, channel, reason)


def _decided(asked: Asked) -> Decided:
    layers: tuple[Layer, ...] = (built_in(PROTECTED), *asked.settings.layers)
    if asked.repository is None:
        return decide(layers)
    source = open_source(
        asked.repository,
        asked.base,
        asked.state,
        allow_dirty=True,
        alternates=asked.settings.alternates,
    )
    try:
        return decide((*layers, read_repo_policy(source.base_blob, source.at_base)))
    finally:
        source.close()


def _only_one(home: Path) -> int:
    """Held until it is closed."""
    try:
        return hold(home / LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"another gateway serves {home.parent}", "end it, or name another --state"
        ) from None
