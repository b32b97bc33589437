"""The application behind one lease's socket: one request in, at most one request to upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from runner.broker.ask import Ask
from runner.broker.budget import ExhaustedError, Grant, Meter
from runner.broker.exchange import Exchange
from runner.broker.journal import Journal
from runner.broker.keys import Key
from runner.broker.refusal import RefusalError, error_body
from runner.broker.request import rebuild
from runner.broker.state import State
from runner.broker.stream import Redactor
from runner.broker.upstream import MAX_ERROR_BYTES, Answer, explain, failed

PATH = b"/v1/responses"
MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_HELD_BYTES = 64 * 1024 * 1024
"""Of all bodies that are being read at one time."""
BODY_S = 10.0
SERVED = ("response.completed", "response.incomplete")


class Application:
    """An ASGI application.

    Steps: 1 the one request line, 2 plain framing, 3 bounded body, 4 rebuilt request, 5 reserved
    budget, 6 fixed headers to one address, 7 rebuilt headers back, the key removed, 8 settled.
    """

    def __init__(
        self,
        model: str,
        key: Key,
        meter: Meter,
        state: State,
        journal: Journal,
        client: httpx.AsyncClient,
        url: str,
    ) -> None:
        self._model, self._key, self._meter, self._state = model, key, meter, state
        self._journal, self._client, self._url = journal, client, url
        self._held = 0
        self._settled = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._state.stir()
        exchange = Exchange(scope["method"][:16], scope["raw_path"][:200].decode("latin-1"))
        try:
            response = await self._answer(exchange, scope, Request(scope, receive))
            exchange.status = response.status_code
            await response(scope, receive, send)
        except ClientDisconnect:
            self._meter.refuse()
            exchange.code = "client-gone"
        finally:
            self._close(exchange)
            if exchange.response is not None:
                await exchange.response.aclose()

    def malformed(self) -> None:
        """The server could not even read the request."""
        self._meter.refuse()
        self._close(Exchange("", "", status=400, code="http-invalid"))

    def expire(self) -> None:
        """The wall clock ran out."""
        self._meter.expire()

    async def _answer(self, exchange: Exchange, scope: Scope, request: Request) -> Response:
        try:
            _check_line(scope)
            _check_framing(request)
            body = await self._read(exchange, request)
            if self._state.broken:
                raise RefusalError("journal", "the broker cannot write its log")
            self._meter.take_body(len(body))
            ask = rebuild(body, self._model)
            grant = exchange.grant = await self._reserve(ask)
            return await self._forward(exchange, ask.body(grant.reserved.output_tokens))
        except RefusalError as refusal:
            answer = Answer(refusal.status, refusal.code, refusal.message, None)
        except ExhaustedError as error:
            text = f"budget exhausted: {error.line}"
            answer = Answer(400, "budget-exhausted", text, None)
        self._meter.refuse()
        return _refused(exchange, answer)

    async def _read(self, exchange: Exchange, request: Request) -> bytes:
        """The whole body, also for a client that is going to be refused: it writes, then reads."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in request.stream():
                    body += chunk
                    self._held += len(chunk)
                    if self._held > MAX_HELD_BYTES:
                        raise RefusalError("busy", "too many large requests at one time")
        except TimeoutError:
            raise RefusalError("slow-body", f"the body took over {BODY_S:.0f} s") from None
        finally:
            self._held -= len(body)
            exchange.body_bytes = len(body)
        return bytes(body)

    async def _reserve(self, ask: Ask) -> Grant:
        """Waits near the limit, until what is under way is settled."""
        while (grant := self._meter.reserve(ask)) is None:
            self._settled.clear()
            await self._settled.wait()
        return grant

    async def _forward(self, exchange: Exchange, body: bytes) -> Response:
        exchange.sent_bytes = len(body)
        self._meter.sent(len(body))
        request = self._client.build_request("POST", self._url, content=body)
        try:
            response = exchange.response = await self._client.send(request, stream=True)
            exchange.upstream_status = response.status_code
            self._state.stir()
            if response.status_code != 200:
                return self._failed(exchange, await self._explain(response))
        except httpx.HTTPError as error:
            return self._failed(exchange, _unreachable(error))
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "text/event-stream" or "content-encoding" in response.headers:
            answer = failed("upstream does not answer with an event stream", "upstream-odd")
            return self._failed(exchange, answer)
        headers = {"connection": "close", "cache-control": "no-store"}
        chunks = self._pass(exchange, response)
        return StreamingResponse(chunks, headers=headers, media_type="text/event-stream")

    async def _explain(self, response: httpx.Response) -> Answer:
        body = b""
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_ERROR_BYTES:
                break
        after = response.headers.get("retry-after", "")
        return explain(response.status_code, body, after, self._key)

    def _failed(self, exchange: Exchange, answer: Answer) -> Response:
        """No response came into being: its tokens are free."""
        grant, exchange.grant = exchange.grant, None
        assert grant is not None
        self._meter.release(grant)
        self._settled.set()
        if answer.fault:
            self._state.fault = answer.fault
        return _refused(exchange, answer)

    async def _pass(self, exchange: Exchange, response: httpx.Response) -> AsyncIterator[bytes]:
        """Chunk by chunk; ends early when a byte budget does."""
        redactor = Redactor(self._key.secret)
        fault = "upstream ended its stream too early"
        try:
            async for chunk in response.aiter_raw():
                self._state.stir()
                exchange.received_bytes += len(chunk)
                fit = self._meter.receive(len(chunk))
                yield self._tapped(exchange, redactor.feed(chunk[:fit]))
                if fit < len(chunk):
                    exchange.code = "budget-exhausted"
                    self._settle(exchange)
                    return
            yield self._tapped(exchange, redactor.close())
        except httpx.HTTPError as error:
            fault = _unreachable(error).message
        if exchange.tap.ended == "response.failed":
            fault = "upstream failed while it answered"
        if exchange.tap.ended not in SERVED:
            self._state.fault, exchange.code = fault, "upstream-cut"
        self._settle(exchange)

    def _tapped(self, exchange: Exchange, clean: bytes) -> bytes:
        """Settles before the client can see the end, for it may look at the sums at once."""
        exchange.tap.feed(clean)
        if exchange.tap.ended:
            self._settle(exchange)
        return clean

    def _settle(self, exchange: Exchange) -> None:
        grant, exchange.grant, tap = exchange.grant, None, exchange.tap
        if grant is None:
            return
        self._meter.settle(grant, tap.spent, cut_short=tap.ended == "response.incomplete")
        if tap.ended == "response.completed" and tap.message is not None:
            self._state.message = tap.message
        if tap.ended in SERVED:
            self._state.fault = None
        self._settled.set()

    def _close(self, exchange: Exchange) -> None:
        """Never awaits: a cancelled request is settled and written down as well."""
        if exchange.grant is not None and exchange.code is None:
            exchange.code = "client-gone"
        self._settle(exchange)
        if exchange.status == 0 and exchange.code is None:
            exchange.code, self._state.fault = "unanswered", "the broker failed on a request"
        try:
            self._journal.write(exchange.line())
        except OSError as error:
            self._state.broken = True
            self._state.fault = f"cannot write the broker's log: {error.strerror}"


def _check_line(scope: Scope) -> None:
    line = (scope["method"], scope["raw_path"], scope["query_string"], scope["http_version"])
    if line != ("POST", PATH, b"", "1.1"):
        raise RefusalError("not-allowed", "only POST /v1/responses is served", 403)


def _check_framing(request: Request) -> None:
    """One length in digits: what two servers could read differently is refused."""
    lengths = request.headers.getlist("content-length")
    length = lengths[0] if len(lengths) == 1 else ""
    if "transfer-encoding" in request.headers or not (length.isascii() and length.isdigit()):
        raise RefusalError("framing", "one Content-Length and no Transfer-Encoding, please")
    if "content-encoding" in request.headers:
        raise RefusalError("framing", "the body must not be compressed")
    if len(length) > 12 or int(length) > MAX_BODY_BYTES:
        raise RefusalError("body-size", f"the body is over {MAX_BODY_BYTES} bytes")


def _refused(exchange: Exchange, answer: Answer) -> Response:
    exchange.code = answer.code
    headers = {"connection": "close"}
    if answer.retry_after_s is not None:
        headers["retry-after"] = str(answer.retry_after_s)
    content = error_body(answer.code, answer.message)
    return Response(content, answer.status, headers, media_type="application/json")


def _unreachable(error: httpx.HTTPError) -> Answer:
    """The kind of failure only: its text may name addresses of the operator's network."""
    fault = f"upstream unreachable: {type(error).__name__}"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
        return failed(fault, "upstream-unreachable")  # it was tried several times already
    return Answer(502, "upstream-unreachable", fault, fault)
