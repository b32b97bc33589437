"""The gate as codex's hook sees it, in a run: `POST /hook/ask` and `/hook/told`, nothing else.

1. The socket is one session's: whoever reaches it is that session's agent, and can only ask.
2. What codex told its hook is read out here, not in the sandbox; what cannot be read is denied.
3. Every question is a decision of its own; no answer is good for two.
4. While a person decides the answer waits; the hook's own clock and ours bound that.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from runner.gateway.callers import Caller
from runner.gateway.gate import Gate
from runner.gateway.reading import MAX_BYTES
from runner.records.base import Sha256
from runner.records.decision import Answer, Request
from runner.records.gated import Decided
from runner.text import line

Message = MutableMapping[str, Any]
MOST_DECIDED = 20_000
"""Questions of one session; the ledger is everybody's."""
POLL_S = 0.25
BODY_S = 10.0
SHELLS = frozenset({"Bash", "apply_patch"})
"""Tools whose input has one field that is what they do."""
ID = 256
"""Characters of codex's name for a call, and of a tool's: all of them are kept. What is longer the
broker does not send on either."""
ODD = "the hook's question cannot be read"
OVER = "the session is over"


@dataclass
class Hooks:
    """An ASGI application. `session` makes its keys its own within the run."""

    gate: Gate
    caller: Caller
    session: str
    patience_s: float = 0
    """How long a person may take; 0 = nobody is asked."""
    decided: list[Decided] = field(default_factory=list)
    outputs: dict[str, Sha256] = field(default_factory=dict)
    """Of calls that codex says have ended."""
    waiting: int = 0
    """Questions under way, be it that they wait for a person."""
    over: bool = False
    """Nothing more is allowed."""
    _asked: int = 0

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = await _body(receive)
        match (scope.get("method"), scope.get("path")):
            case ("POST", "/hook/ask"):
                said = await self._ask(body)
            case ("POST", "/hook/told"):
                said = self._told(body)
            case _:
                said = "DENY there is nothing else here"
        content = f"{said}\n".encode()
        head = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": content})

    async def _ask(self, body: bytes | None) -> str:
        call = _read(body)
        if call is None:
            return f"DENY {ODD}"
        if len(self.decided) >= MOST_DECIDED:
            return "DENY this session has asked too often"
        answer = await self._decision(call)
        word, why = answer.decision, line(answer.reason)
        decided = Decided(call.id, call.tool, call.code_sha256, word, answer.receipt_id, why)
        self.decided.append(decided)
        if answer.decision == "ALLOW" and not self.over:
            return f"ALLOW {answer.receipt_id}"
        word = "DENY" if answer.decision == "ALLOW" else answer.decision
        return f"{word} {line(answer.reason or OVER)}"

    async def _decision(self, call: Call) -> Answer:
        """A PENDING only when there was no word within the time."""
        self._asked += 1
        try:
            request = Request(
                agent_id=self.caller.agent or "",
                tenant_id=self.caller.tenant,
                opportunity_id=self.caller.run or "",
                tools=[call.tool],
                code=call.code,
                idempotency_key=f"{self.caller.run}/{self.session}/{self._asked}",
            )
        except ValueError:
            return Answer(decision="DENY", receipt_id=None, reason=ODD)
        until = monotonic() + self.patience_s
        self.waiting += 1
        try:
            answer, _ = await self.gate.decide(self.caller, request)
            while answer.decision == "PENDING" and monotonic() < until and not self.over:
                await asyncio.sleep(POLL_S)
                answer, _ = await self.gate.decide(self.caller, request)
        finally:
            self.waiting -= 1
        return answer

    def _told(self, body: bytes | None) -> str:
        call = _read(body)
        if call is not None and call.output is not None and len(self.outputs) < MOST_DECIDED:
            self.outputs.setdefault(call.id, _sha256(call.output))
        return "NOTED"


@dataclass(frozen=True, slots=True)
class Call:
    """What codex is about to do, or has done."""

    id: str
    tool: str
    code: str
    output: str | None

    @property
    def code_sha256(self) -> Sha256:
        return _sha256(self.code)


def _read(body: bytes | None) -> Call | None:
    """Of the JSON that codex gives its hooks; None = that is none."""
    try:
        told = json.loads((body or b"").decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    tool, given = told.get("tool_name"), told.get("tool_input")
    if not isinstance(tool, str) or not tool or not isinstance(given, dict):
        return None
    code = given.get("command") if tool in SHELLS else _canonical(given)
    identity, output = told.get("tool_use_id"), told.get("tool_response")
    if not isinstance(code, str) or not isinstance(identity, str):
        return None
    if max(len(identity), len(tool)) > ID:
        return None
    if output is not None and not isinstance(output, str):
        output = _canonical(output)
    return Call(identity, tool, code, output)


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> Sha256:
    return Sha256(hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes | None:
    """None = too large, too slow, or cut off."""
    body = b""
    try:
        async with asyncio.timeout(BODY_S):
            while len(body) <= MAX_BYTES:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += bytes(message.get("body", b""))
                if not message.get("more_body"):
                    return body
    except TimeoutError:
        pass
    return None
