"""The gateway's HTTP: which path is whose, and who may ask it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.errors import InfraError, RunnerError
from runner.gateway import receipts, statements
from runner.gateway.asking import Head, Pull, Resolve, Scores, Webhook, insufficient
from runner.gateway.bodies import Emit, Stop, Word
from runner.gateway.callers import Caller, Callers, Peer
from runner.gateway.description import description
from runner.gateway.gate import UNAVAILABLE, Gate
from runner.gateway.markup import PATH
from runner.gateway.page import Page
from runner.gateway.reading import MalformedError, body_of, read
from runner.gateway.reply import Reply, told, wrong
from runner.records.base import Record
from runner.records.evidence import AgentId, ReceiptId

HOST = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""A name that an enemy's server can point here is none of these."""
EXECUTE = "/api/execute"
R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Door:
    """`Door(gate, callers).application` is an ASGI application."""

    gate: Gate
    callers: Callers
    scores: Scores = insufficient
    head: Head | None = None
    pull: Pull | None = None
    resolve: Resolve | None = None
    webhook: Webhook | None = None
    page: Page | None = None
    """For people; a session's own door has none."""
    loopback: bool = False
    """Over TCP: then only a `Host` of this machine is answered."""

    @cached_property
    def application(self) -> ASGIApp:
        post, get = ["POST"], ["GET"]
        routes = [
            Route(EXECUTE, self._execute, methods=post),
            Route("/api/outcome", self._outcome, methods=post),
            Route("/healthz", self._health, methods=get),
            Route("/openapi.json", self._openapi, methods=get),
            Route("/api/receipts", self._receipts, methods=get),
            Route("/api/receipts/{id}", self._receipt, methods=get),
            Route("/api/scalar", self._scalar, methods=get),
            Route("/api/scalar/emit", self._emit, methods=post),
            Route("/api/scalar/{agent_id}", self._scalar, methods=get),
            Route("/api/approvals", self._approvals, methods=get),
            Route("/api/approvals/{id}/approve", self._resolve, methods=post),
            Route("/api/approvals/{id}/deny", self._resolve, methods=post),
            Route("/api/webhook", self._webhook, methods=post),
            Route("/api/kill", self._kill, methods=post),
            *(self.page.routes if self.page else ()),
        ]
        handlers = {HTTPException: _told_in_json, RunnerError: _told_failure}
        return self._fenced(Starlette(routes=routes, exception_handlers=handlers))

    def _fenced(self, inner: ASGIApp) -> ASGIApp:
        """No page in a browser speaks to it, but its own: not across origins, not by a name that it
        rebinds."""

        async def fence(scope: Scope, receive: Receive, send: Send) -> None:
            for name, value in scope["headers"]:
                if (name == b"origin" and not _is_from_page(scope, value)) or (
                    name == b"host" and not self._is_own(value)
                ):
                    answer = _response(wrong(403, "browsers are not served"))
                    await answer(scope, receive, send)
                    return
            if scope["path"] == EXECUTE and scope["method"] == "POST":
                # what is asked most takes no turn through the router: a tenth of a decision's CPU
                response = await self._execute(Request(scope, receive))
                await response(scope, receive, send)
                return
            await inner(scope, receive, send)

        return fence

    def _is_own(self, host: bytes) -> bool:
        return not self.loopback or HOST.fullmatch(host) is not None

    async def _execute(self, request: Request) -> Response:
        body = await body_of(request)
        return _response(await self.gate.execute(self._caller(request), _peer(request), body))

    async def _outcome(self, request: Request) -> Response:
        caller = self._caller(request)
        if caller is None or caller.agent is None:
            return _stranger()
        return _response(await self.gate.outcome(caller, await body_of(request)))

    async def _health(self, request: Request) -> Response:
        """The caller's own identity is told, so that a client knows what to name."""
        caller, gate = self._caller(request), self.gate
        state = {
            "status": "failing" if gate.failing else "ok",
            "unrecorded": gate.unrecorded,
            "policy_sha256": gate.policy,
            "agent": caller.agent if caller else None,
            "tenant": caller.tenant if caller else None,
        }
        return _response(told(state, 503 if gate.failing else 200))

    async def _openapi(self, _request: Request) -> Response:
        return _response(told(description()))

    async def _receipts(self, request: Request) -> Response:
        caller = self._caller(request)
        if caller is None:
            return _stranger()
        try:
            wanted = receipts.wanted(request.query_params.multi_items(), caller)
        except MalformedError as error:
            return _response(wrong(400, str(error)))
        return _response(told(await asyncio.to_thread(receipts.page, self.gate.ledger, wanted)))

    async def _receipt(self, request: Request) -> Response:
        caller = self._caller(request)
        if caller is None:
            return _stranger()
        number = ReceiptId(request.path_params["id"])
        entry = await asyncio.to_thread(self.gate.ledger.entry, number)
        if entry is None or not receipts.is_seen_by(entry, caller):
            return _response(wrong(404, "no such receipt"))
        return _response(told(receipts.whole(entry)))

    async def _scalar(self, request: Request) -> Response:
        caller = self._caller(request)
        if caller is None:
            return _stranger()
        agent = request.path_params.get("agent_id") or caller.agent
        if not caller.sees_all and (agent is None or agent != caller.agent):
            return _response(wrong(404, "no such agent"))
        return await self._work(lambda: self.scores(agent and AgentId(agent)))

    async def _emit(self, request: Request) -> Response:
        async def emit(said: Emit, caller: Caller) -> Reply:
            if self.head is None:
                return wrong(404, "no scores are kept here")
            size, root = await asyncio.to_thread(self.head)
            score = await asyncio.to_thread(self.scores, said.agent_id)
            statement = statements.score(caller, said.agent_id, score, size, root)
            entry = await self.gate.keep(statement)
            if entry is None:
                return wrong(503, UNAVAILABLE)
            return told({"receipt_id": entry.id, "score": score})

        return await self._by_person(request, Emit, emit, lambda caller: caller.sees_all)

    async def _approvals(self, request: Request) -> Response:
        caller = self._caller(request)
        if caller is None or not caller.resolves:
            return _stranger() if caller is None else _forbidden()
        return await self._work(lambda: {"waiting": list(self.gate.approvals.waiting())})

    async def _resolve(self, request: Request) -> Response:
        async def resolve(said: Word, caller: Caller) -> Reply:
            if self.resolve is None:
                return wrong(404, "no approvals are taken here")
            number, by = request.path_params["id"], f"user:{caller.name}"
            word: Literal["yes", "no"] = "yes" if request.url.path.endswith("/approve") else "no"
            await asyncio.to_thread(self.resolve, number, word, said.action_sha256, by, said.reason)
            return told({"id": number})

        return await self._by_person(request, Word, resolve, lambda caller: caller.resolves)

    async def _webhook(self, request: Request) -> Response:
        """Whose word it is, its own signature says."""
        body = await body_of(request)
        if self.webhook is None or body is None:
            return _response(wrong(404, "no relay is known here"))
        status, said = await asyncio.to_thread(self.webhook, body, dict(request.headers))
        return _response(told(said, status))

    async def _kill(self, request: Request) -> Response:
        async def kill(said: Stop, caller: Caller) -> Reply:
            if self.pull is None:
                return wrong(404, "there is no kill switch here")
            by = f"user:{caller.name}"
            kill, statement = await asyncio.to_thread(
                self.pull, said.scope, said.subject, said.reason, by
            )
            entry = await self.gate.keep(statement)  # in force it is already
            return told({**kill.model_dump(mode="json"), "receipt_id": entry and entry.id})

        return await self._by_person(request, Stop, kill, lambda caller: caller.sees_all)

    async def _by_person(
        self,
        request: Request,
        record: type[R],
        do: Callable[[R, Caller], Awaitable[Reply]],
        may: Callable[[Caller], bool],
    ) -> Response:
        """What only a person with the right credential may ask."""
        caller = self._caller(request)
        if caller is None:
            return _stranger()
        if not may(caller):
            return _forbidden()
        try:
            return _response(await do(read(record, await body_of(request)), caller))
        except MalformedError as error:
            return _response(wrong(400, str(error)))
        except RunnerError as error:
            return _response(wrong(503 if isinstance(error, InfraError) else 409, error.problem))

    async def _work(self, ask: Callable[[], Mapping[str, object]]) -> Response:
        try:
            return _response(told(await asyncio.to_thread(ask)))
        except RunnerError as error:
            return _response(wrong(503, error.problem))

    def _caller(self, request: Request) -> Caller | None:
        return self.callers(_peer(request), request.headers.get("authorization"))


def _is_from_page(scope: Scope, origin: bytes) -> bool:
    """Whether the page's own form sends this: to the page, from the name that it was asked by."""
    if not scope["path"].startswith(f"{PATH}/"):
        return False
    hosts = {value.lower() for name, value in scope["headers"] if name == b"host"}
    return len(hosts) == 1 and origin.lower().partition(b"://")[::2] in {
        (scheme, *hosts) for scheme in (b"http", b"https")
    }


def _peer(request: Request) -> Peer | None:
    peer: Peer | None = request.scope.get("state", {}).get("peer")
    return peer


def _response(reply: Reply) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if reply.status == 401:
        headers["www-authenticate"] = "Bearer"
    if reply.status == 429:
        headers["retry-after"] = "1"
    return Response(reply.body, reply.status, headers, "application/json")


def _stranger() -> Response:
    return _response(wrong(401, "nobody is known by this user id or token"))


def _forbidden() -> Response:
    return _response(wrong(403, "this needs another credential"))


async def _told_failure(_request: Request, error: Exception) -> Response:
    """A ledger that cannot be read."""
    assert isinstance(error, RunnerError)
    return _response(wrong(503, error.problem))


async def _told_in_json(_request: Request, error: Exception) -> Response:
    """What the router refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    response = _response(wrong(error.status_code, error.detail))
    response.headers.update(error.headers or {})
    return response
