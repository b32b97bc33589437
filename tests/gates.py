"""Gates to test against: a judge by words, people who answer at once, and a socket in front."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from runner.gateway.application import Door
from runner.gateway.asking import State
from runner.gateway.callers import Caller, Callers, always
from runner.gateway.gate import Gate
from runner.gateway.place import Place
from runner.gateway.server import serving
from runner.ports import Ledger
from runner.process import Child, kill_group
from runner.records.base import Sha256
from runner.records.decision import Answer, Constraints, Proposal, Request, Verdict
from runner.records.evidence import AgentId
from tests.fake_ledger import FakeLedger

AGENT = AgentId("ag_0123456789abcdef")
OTHER = AgentId("ag_fedcba9876543210")
POLICY = Sha256("5" * 64)
CALLER = Caller(AGENT)
CONSTRAINTS = Constraints(level=2, sandbox="workspace-write")


def judge(proposal: Proposal) -> Verdict:
    """`rm` is denied, `push` waits for a person, all else is allowed."""
    if "rm" in proposal.code:
        return Verdict(word="DENY", reason="no rm", rule="rule", where="config.toml, line 4")
    if "push" in proposal.code:
        return Verdict(word="PENDING", reason="ask first", rule="approval", constraints=CONSTRAINTS)
    return Verdict(word="ALLOW", rule="default", constraints=CONSTRAINTS)


@dataclass
class FakeApprovals:
    """The port `Approvals`: `said` is what people say of everything."""

    said: State | None = "waiting"
    """None = there is no channel."""
    asked: dict[str, Sha256] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)

    def ask(self, action: Proposal, summary: str, /) -> str | None:
        if self.said is None:
            return None
        known = {digest: name for name, digest in self.asked.items()}
        name = known.get(action.digest(), f"ap_{len(self.asked):016x}")
        self.asked[name] = action.digest()
        return name

    def state(self, request: str, /) -> State:
        assert self.said is not None
        return "used" if request in self.used else self.said

    def use(self, request: str, action: Proposal, now: datetime, /) -> str | None:
        if self.asked[request] != action.digest():
            return "it is for another action"
        self.used.append(request)
        return None

    def auto(self, _request: str) -> str:
        return ""

    def waiting(self) -> tuple[Mapping[str, object], ...]:
        return tuple({"id": name, "action": digest} for name, digest in self.asked.items())


def asking(key: str = "k1", **more: Any) -> dict[str, Any]:
    """The body of a request."""
    usual = {"agent_id": AGENT, "opportunity_id": "o1", "tools": ["Bash"], "code": "ls"}
    return {**usual, "idempotency_key": key, **more}


def gate_of(ledger: Ledger | None = None, **more: Any) -> Gate:
    return Gate(
        FakeLedger() if ledger is None else ledger, more.pop("judge", judge), POLICY, **more
    )


@dataclass(frozen=True)
class Asked:
    """What one request was told."""

    status: int
    answer: Answer


def tell(
    gate: Gate, *bodies: bytes | Mapping[str, Any] | None, caller: Caller | None = CALLER
) -> tuple[Asked, ...]:
    """What each body is answered; all at one time."""

    async def all_of_them() -> tuple[Asked, ...]:
        return tuple(await asyncio.gather(*(one(body) for body in bodies)))

    async def one(body: bytes | Mapping[str, Any] | None) -> Asked:
        raw = json.dumps(body).encode() if isinstance(body, Mapping) else body
        reply = await gate.execute(caller, None, raw)
        return Asked(reply.status, Answer.model_validate_json(reply.body))

    return asyncio.run(all_of_them())


def tell_one(gate: Gate, body: bytes | Mapping[str, Any] | None) -> Asked:
    return tell(gate, body)[0]


@contextmanager
def served(
    place: Place, gate: Gate | None = None, callers: Callers | None = None, **more: Any
) -> Iterator[httpx.Client]:
    """A client of a gate that listens there."""
    door = Door(gate or gate_of(), callers or always(CALLER), **more)
    with serving(door.application, place) as at, client_of(at) as client:
        yield client


def client_of(place: Place) -> httpx.Client:
    if isinstance(place, Path):
        transport = httpx.HTTPTransport(uds=str(place))
        return httpx.Client(transport=transport, base_url="http://gate", trust_env=False)
    return httpx.Client(base_url=f"http://{place[0]}:{place[1]}", trust_env=False)


def together(work: Callable[[int], object], times: int) -> list[object]:
    """Each in a thread of its own."""
    done: list[object] = [None] * times

    def one(number: int) -> None:
        done[number] = work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def request(**more: Any) -> Request:
    return Request.model_validate(asking(**more))


@contextmanager
def ending(child: Child) -> Iterator[Child]:
    """Asked to end when this is left, and killed when it does not."""
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                kill_group(child.pid)
                child.wait()
                raise
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
