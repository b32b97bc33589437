"""What becomes of one request: checked, rebuilt, paid for, sent, and its answer passed on."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic

import h11
import httpx

from runner.broker.admission import admit
from runner.broker.answer import MAX_ERROR_BYTES, Answer, explain, failed, unreachable
from runner.broker.ask import Ask
from runner.broker.budget import Grant, Meter
from runner.broker.exchange import Exchange
from runner.broker.journal import Journal
from runner.broker.link import GoneError, Link
from runner.broker.refusal import RefusalError
from runner.broker.request import rebuild
from runner.broker.rules import Rules
from runner.broker.spent import ExhaustedError
from runner.broker.state import State
from runner.broker.stream import Tap
from runner.redact import Redactor

MAX_HELD_BYTES = 32 * 1024 * 1024
"""Of all bodies that are being read at one time."""
MAX_UNDER_WAY = 8
"""Requests that upstream works on at one time; codex has one."""
BODY_S = 10.0
CONTEND_S = 20.0
"""How long what other runs have reserved is waited for, before a shared budget is exhausted."""
POLL_S = 0.5
EVENTS = "text/event-stream"
SERVED = ("response.completed", "response.incomplete")


class Application:
    """Steps: 1 the one request line, 2 plain framing, 3 bounded body, 4 rebuilt request, 5
    reserved budget, 6 fixed headers to one address, 7 rebuilt headers back, credentials removed,
    8 settled.
    """

    def __init__(
        self,
        rules: Rules,
        meter: Meter,
        state: State,
        journal: Journal,
        client: httpx.AsyncClient,
        url: str,
    ) -> None:
        self._rules, self._meter, self._state = rules, meter, state
        self._journal, self._client, self._url = journal, client, url
        self._held_bytes = 0
        self._settled = asyncio.Event()
        self._places = asyncio.Semaphore(MAX_UNDER_WAY)

    async def answer(self, head: h11.Request, link: Link) -> None:
        """Raises GoneError."""
        self._state.stir()
        method, target = head.method[:16].decode("latin-1"), head.target[:200].decode("latin-1")
        exchange = Exchange(method, target, tap=Tap(self._state.calls.ask))
        try:
            await self._answer(exchange, head, link)
        except GoneError:
            if exchange.tap.ended is None:  # else it has all it asked for
                self._meter.refuse()
                exchange.code = "client-gone"
            raise
        except asyncio.CancelledError:
            if exchange.tap.ended is None:  # by the wall clock or the end of the lease
                exchange.code = exchange.code or "cut"
            raise
        finally:
            self._close(exchange)

    async def malformed(self, link: Link) -> None:
        """What came is no request at all."""
        exchange = Exchange("", "")
        refusal = RefusalError("http-invalid", "this is not HTTP/1.1")
        try:
            await self._refuse(exchange, link, refusal)
        finally:
            self._close(exchange)

    def expire(self) -> None:
        """The wall clock ran out."""
        self._meter.expire()

    async def _answer(self, exchange: Exchange, head: h11.Request, link: Link) -> None:
        try:
            admit(head)
            body = await self._read(exchange, link)
            if self._state.broken:
                raise RefusalError("journal", "the broker cannot write its log")
            self._meter.take_body(len(body))
            ask = rebuild(body, self._rules)
            self._state.calls.answer(ask.outputs)
            del body
            await link.until_gone(self._forward(exchange, link, ask))
        except RefusalError as refusal:
            if refusal.fault is not None:
                self._state.fault = refusal.fault
            await self._refuse(exchange, link, refusal)
        except ExhaustedError as error:
            text = f"budget exhausted: {error.line}"
            await self._refuse(exchange, link, RefusalError("budget-exhausted", text))

    async def _refuse(self, exchange: Exchange, link: Link, refusal: RefusalError) -> None:
        self._meter.refuse()
        exchange.status, exchange.code = refusal.status, refusal.code
        await link.refuse(refusal.status, refusal.code, refusal.message)

    async def _read(self, exchange: Exchange, link: Link) -> bytes:
        """The whole body, also for a client that is going to be refused: it writes, then reads."""
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_S):
                async for chunk in link.body():
                    body += chunk
                    self._held_bytes += len(chunk)
                    if self._held_bytes > MAX_HELD_BYTES:
                        raise RefusalError("busy", "too many large requests at one time")
        except TimeoutError:
            raise RefusalError("slow-body", f"the body took over {BODY_S:.0f} s") from None
        finally:
            self._held_bytes -= len(body)
            exchange.body_bytes = len(body)
        return bytes(body)

    async def _forward(self, exchange: Exchange, link: Link, ask: Ask) -> None:
        """Tries again while nothing has been passed on and it makes sense."""
        tries = Counter[str]()
        while True:
            async with self._places:
                answer = await self._attempt(exchange, link, ask)
            if answer is None:
                return
            tries[answer.code] += 1
            wait_s = answer.pause_s(tries[answer.code])
            if wait_s is None:
                raise RefusalError(answer.code, answer.message, fault=answer.fault)
            again = f"try {tries[answer.code] + 1} of {answer.tries} in {wait_s:.0f} s"
            with self._state.waiting(f"{answer.message}: {again}"):
                await asyncio.sleep(wait_s)

    async def _attempt(self, exchange: Exchange, link: Link, ask: Ask) -> Answer | None:
        """None = upstream served it."""
        grant = exchange.grant = await self._reserve(ask)
        body = ask.body(grant.reserved.output_tokens)
        exchange.sent_bytes += len(body)
        self._meter.sent(len(body))
        request = self._client.build_request("POST", self._url, content=body)
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            return self._unserved(exchange, unreachable(error))
        try:
            exchange.upstream_status = response.status_code
            self._state.stir()
            if (answer := await self._unusable(response)) is not None:
                return self._unserved(exchange, answer)
            await self._pass(exchange, link, response)
        finally:
            await response.aclose()
        return None

    async def _reserve(self, ask: Ask) -> Grant:
        """Waits near the limit, until what is under way is settled."""
        began = monotonic()
        while (grant := self._meter.reserve(ask, monotonic() - began < CONTEND_S)) is None:
            self._settled.clear()
            try:
                async with asyncio.timeout(POLL_S):
                    await self._settled.wait()
            except TimeoutError:
                continue
        return grant

    async def _unusable(self, response: httpx.Response) -> Answer | None:
        """Why there is nothing to pass on."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == 200:
            if kind == EVENTS and "content-encoding" not in response.headers:
                return None
            return failed("upstream does not answer with an event stream", "upstream-odd")
        body = b""
        try:
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_ERROR_BYTES:
                    break
        except httpx.HTTPError:
            body = b""
        return explain(response.status_code, response.headers, body, self._rules.held)

    def _unserved(self, exchange: Exchange, answer: Answer) -> Answer:
        """No response came into being: its tokens are free, if that is certain."""
        grant, exchange.grant = exchange.grant, None
        assert grant is not None
        if answer.free:
            self._meter.release(grant)
        else:
            self._meter.settle(grant, None)
        self._settled.set()
        return answer

    async def _pass(self, exchange: Exchange, link: Link, response: httpx.Response) -> None:
        """Chunk by chunk; ends early when a byte budget does."""
        exchange.status = 200
        redactor = Redactor(self._rules.held)
        fault = "upstream ended its stream too early"
        await link.begin(200, EVENTS)
        try:
            async for chunk in response.aiter_raw():
                self._state.stir()
                exchange.received_bytes += len(chunk)
                fit = self._meter.receive(len(chunk))
                await link.write(self._tapped(exchange, redactor.feed(chunk[:fit])))
                if fit < len(chunk):
                    exchange.code = "budget-exhausted"
                    return
            await link.write(self._tapped(exchange, redactor.close()))
        except httpx.HTTPError as error:
            fault = unreachable(error).message
        if exchange.tap.ended == "response.failed":
            fault = "upstream failed while it answered"
        if exchange.tap.ended not in SERVED:
            self._state.fault, exchange.code = fault, "upstream-cut"

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
        self._meter.settle(
            grant,
            tap.spent,
            calls=tap.calls if tap.ended == "response.completed" else None,
            cut_short=tap.ended == "response.incomplete",
        )
        if tap.ended == "response.completed" and tap.message is not None:
            self._state.message = tap.message
        if tap.ended in SERVED:
            self._state.fault = None
            self._state.served = tap.served or self._state.served
        self._settled.set()

    def _close(self, exchange: Exchange) -> None:
        """Never awaits: a cancelled request is settled and written down as well."""
        broken = exchange.grant is not None or exchange.status == 0
        self._state.calls.unread += exchange.tap.unread
        self._settle(exchange)
        if broken and exchange.code is None:
            exchange.code, self._state.fault = "unanswered", "the broker failed on a request"
        try:
            self._journal.write(exchange.line(), served=exchange.upstream_status is not None)
        except OSError as error:
            self._state.broken = True
            self._state.fault = f"cannot write the broker's log: {error.strerror}"
