"""Approvals in a browser: HTML without any script, for people who have a token.

1. Who: HTTP Basic, whose password is a token of an approver or administrator. No user id counts.
2. A word is said in a form that this process has shown to this person for this request; the person
   types digits of its digest. Other sites can neither read, frame nor send it.
3. Everything else (who may, how long, once) is decided where all words are.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runner.errors import InfraError, RunnerError
from runner.gateway import markup
from runner.gateway.asking import Requests, Resolve, State
from runner.gateway.bodies import Form
from runner.gateway.callers import Caller, Callers
from runner.gateway.markup import PATH, STYLE_HASH
from runner.gateway.nonces import Nonces
from runner.gateway.reading import MalformedError, body_of, read
from runner.records.approval import ApprovalRequest

FORM_BYTES = 16 * 1024
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    # with `no-referrer` browsers send their own forms as from `Origin: null`
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
ASK = 'Basic realm="codex-runner approvals", charset="UTF-8"'
Handler = Callable[[Request, Caller], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """`Page(callers, requests, resolve).routes`."""

    callers: Callers
    requests: Requests
    resolve: Resolve
    nonces: Nonces = field(default_factory=Nonces)

    @property
    def routes(self) -> list[Route]:
        one = f"{PATH}/{{id}}"
        return [
            Route(PATH, self._to_people(self._list), methods=["GET"]),
            Route(one, self._to_people(self._show), methods=["GET"]),
            Route(one, self._to_people(self._take), methods=["POST"]),
        ]

    def _to_people(self, handle: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def handled(request: Request) -> Response:
            caller = self.callers(None, _bearer(request.headers.get("authorization")))
            if caller is None:
                answer = _wrong(401, "The password is a token of an approver or administrator.")
                answer.headers["www-authenticate"] = ASK
                return answer
            if not caller.resolves:
                return _wrong(403, "This needs the token of an approver or administrator.")
            try:
                return await handle(request, caller)
            except MalformedError as error:
                return _wrong(400, str(error))
            except RunnerError as error:
                return _wrong(503 if isinstance(error, InfraError) else 409, error.problem)

        return handled

    async def _list(self, _request: Request, _caller: Caller) -> Response:
        found = await asyncio.to_thread(self.requests)
        return _html(markup.listed(asked for asked, state in found if state == "waiting"))

    async def _show(self, request: Request, caller: Caller) -> Response:
        found = await self._found(request)
        if found is None:
            return _wrong(404, "No such request.")
        asked, state = found
        return _html(markup.shown(asked, state, self.nonces.issue(*_bound(asked, caller))))

    async def _take(self, request: Request, caller: Caller) -> Response:
        said = await _form(request)
        found = await self._found(request)
        if found is None:
            return _wrong(404, "No such request.")
        asked, _ = found
        if not asked.action.startswith(said.digits.lower()):
            return _wrong(409, "These are not the first digits of its digest: read it again.")
        if not self.nonces.take(said.nonce, *_bound(asked, caller)):
            return _wrong(409, "This form was sent already, is too old, or is not yours: reload.")
        by = _name(caller)
        await asyncio.to_thread(self.resolve, asked.id, said.word, asked.action, by, said.reason)
        answer = _html("", 303)
        answer.headers["location"] = markup.address(asked)
        return answer

    async def _found(self, request: Request) -> tuple[ApprovalRequest, State] | None:
        found = await asyncio.to_thread(self.requests)
        return next((each for each in found if each[0].id == request.path_params["id"]), None)


def _bearer(header: str | None) -> str | None:
    """Basic credentials as the header that says the same with the password alone."""
    scheme, _, rest = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        password = base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return None
    return f"Bearer {password}" if password else None


async def _form(request: Request) -> Form:
    """Raises MalformedError: anything but one value for each of its fields."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise MalformedError("this is no form")
    body = await body_of(request, FORM_BYTES)
    if body is None:
        raise MalformedError(f"the form is over {FORM_BYTES} bytes, or took too long")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=8,
        )
    except ValueError:
        raise MalformedError("the form is not well-formed") from None
    fields = {name: value.strip() for name, value in pairs}
    if len(fields) != len(pairs):
        raise MalformedError("the form has a field twice")
    return read(Form, json.dumps(fields).encode())


def _bound(asked: ApprovalRequest, caller: Caller) -> tuple[str, ...]:
    return asked.id, asked.action, _name(caller), caller.role


def _name(caller: Caller) -> str:
    return f"user:{caller.name}"


def _wrong(status: int, why: str) -> Response:
    return _html(markup.told("It was not done", why), status)


def _html(text: str, status: int = 200) -> Response:
    return Response(text.encode(), status, HEADERS, "text/html")
