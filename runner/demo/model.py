"""A model that follows a script: the Responses protocol over loopback TCP, streamed as SSE.

Events and items as codex 0.163.0 accepts them:
https://platform.openai.com/docs/api-reference/responses-streaming (2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Literal, Self, cast

from runner.records.canary import spotted
from runner.records.script import (
    Call,
    Cut,
    Heard,
    Object,
    Patch,
    Say,
    Shell,
    Stall,
    Status,
    Step,
    Tokens,
)

__all__ = [
    "KEY",
    "Call",
    "Cut",
    "Heard",
    "Object",
    "Patch",
    "Say",
    "ScriptedModel",
    "Shell",
    "Stall",
    "Status",
    "Step",
    "Tokens",
    "verdict",
]

KEY = "demo-key-accepted-by-nobody-else"
USUAL = Tokens()


def verdict(prompt: str, decision: Literal["approve", "reject"] = "approve", why: str = "") -> str:
    """A reviewer's answer about the portion a prompt shows; it finds what is planted there."""
    spot = spotted(prompt)
    finding = {"path": None, "line": None, "severity": "high", "rationale": why, "confidence": 90}
    return json.dumps(
        {
            "nonce": _named("nonce", prompt),
            "tree": _named("tree", prompt),
            "portion": _named("portion", prompt),
            "planted": spot and {"path": spot.path, "line": spot.line},
            "findings": [finding] if why else [],
            "summary": why or "The change does what the task asks and nothing else.",
            "verdict": decision,
        }
    )


class ScriptedModel:
    """`with ScriptedModel(steps) as model:` serves it at `model.url` and records `model.requests`.

    The author is at the step whose number is the count of tool outputs in the request, so that a
    retry gets the same answer; behind the last step it is the last step. A request that asks for
    JSON by a schema is a reviewer's and answered by `review(prompt)`.
    """

    def __init__(
        self,
        steps: Sequence[Step] = (Say("Done."),),
        *,
        review: Callable[[str], str] = verdict,
        key: str = KEY,
        tokens: Tokens = USUAL,
        delay_s: float = 0,
        served: str = "",
    ) -> None:
        """`served`: what it calls the model that answers; empty = it does not say."""
        self.steps, self.review, self.key = tuple(steps), review, key
        self.tokens, self.delay_s, self.served = tokens, delay_s, served
        self.requests: list[Heard] = []
        self.closing = Event()
        self._lock = Lock()

    @property
    def url(self) -> str:
        """Base URL, e.g. `http://127.0.0.1:40123/v1`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hear(self, request: Heard) -> int:
        """Records it; its number, from 1."""
        with self._lock:
            self.requests.append(request)
            return len(self.requests)

    def step(self, body: Object) -> Step:
        """What to answer."""
        entries = [cast(Object, e) for e in _list(body.get("input")) if isinstance(e, dict)]
        heard = Heard("", {}, body)
        if heard.reviews:
            return Say(self.review(_last_words(entries)))
        return self.steps[min(len(heard.outputs()), len(self.steps) - 1)]


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # leaving joins them

    def __init__(self, address: tuple[str, int], model: ScriptedModel) -> None:
        self.model = model
        super().__init__(address, _Answer)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is no news."""


class _Answer(BaseHTTPRequestHandler):
    """One request, one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        self.close_connection = True
        model = cast(_Server, self.server).model
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        number = model.hear(Heard(self.path, headers, body))
        if headers.get("authorization") != f"Bearer {model.key}":
            self._refuse(401, "Incorrect API key provided.")
        elif self.path != "/v1/responses":
            self._refuse(404, f"no such path: {self.path}")
        elif not model.closing.wait(model.delay_s):
            self._follow(model, model.step(body), number)

    def _follow(self, model: ScriptedModel, step: Step, number: int) -> None:
        if isinstance(step, Status):
            self._refuse(step.code, step.message)
            return
        if step == Stall("headers"):
            self._wait(model)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for event in _events(step, number, model.tokens, model.served):
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        if isinstance(step, Stall):
            self._wait(model)

    def _wait(self, model: ScriptedModel) -> None:
        """Until the model is closed or the client is gone."""
        self.connection.settimeout(0.1)
        began = monotonic()
        while not model.closing.is_set() and monotonic() - began < 600:
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue

    def _refuse(self, code: int, message: str) -> None:
        kind = "invalid_request_error" if code < 500 else "server_error"
        body = json.dumps({"error": {"message": message, "type": kind}}).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def _events(step: Step, number: int, tokens: Tokens, served: str) -> Iterator[Object]:
    response: Object = {"id": f"resp_{number}", "object": "response", "status": "in_progress"}
    response |= {"model": served} if served else {}
    yield {"type": "response.created", "response": response}
    item = _item(step, number)
    if item is None:
        return
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    usage = {
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens.input + tokens.output,
    }
    done = {**response, "status": "completed", "output": [item], "usage": usage}
    yield {"type": "response.completed", "response": done}


def _item(step: Step, number: int) -> Object | None:
    match step:
        case Shell(command):
            return {
                "type": "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": "exec_command",
                "arguments": json.dumps({"cmd": command}),
            }
        case Patch(text):
            return {
                "type": "custom_tool_call",
                "id": f"ctc_{number}",
                "call_id": f"call_{number}",
                "name": "apply_patch",
                "input": text,
            }
        case Call(name, arguments, custom):
            return {
                "type": "custom_tool_call" if custom else "function_call",
                "id": f"fc_{number}",
                "call_id": f"call_{number}",
                "name": name,
                "input" if custom else "arguments": arguments,
            }
        case Say(text):
            return {
                "type": "message",
                "id": f"msg_{number}",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            }
    return None


def _last_words(entries: list[Object]) -> str:
    """All text of the last user message."""
    mine = [entry for entry in entries if entry.get("role") == "user"]
    content = _list(mine[-1].get("content")) if mine else []
    return "\n".join(str(part.get("text")) for part in content if isinstance(part, dict))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _named(name: str, prompt: str) -> str:
    found = re.search(rf"^{name}: ([0-9a-f/]+)$", prompt, re.MULTILINE)
    return found[1] if found else ""
