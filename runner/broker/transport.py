"""What stands between the broker's client and the network: a recorder, or a recording."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import BinaryIO

import httpx

from runner.broker.recording import Recording, Replay, Reply, write_exchange
from runner.redact import Redactor

MAX_BYTES = 64 * 1024 * 1024
"""Of a response; the rest of a longer one is not kept."""


class DivergedError(httpx.RequestError):
    """Recording or replay cannot go on; the text says why."""


class Recorder(httpx.AsyncBaseTransport):
    """Passes on what another transport does, and keeps it without credentials."""

    def __init__(
        self, inner: httpx.AsyncBaseTransport, recording: Recording, held: tuple[bytes, ...]
    ) -> None:
        self._inner, self._recording, self._held = inner, recording, held

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            file = self._recording.begin()
        except OSError as error:
            raise DivergedError(f"cannot record the session: {error.strerror}") from error
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException:
            file.close()
            raise
        kept = _Kept(file, request, response, Redactor(self._held))
        return httpx.Response(response.status_code, headers=response.headers, stream=kept)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Kept(httpx.AsyncByteStream):
    """Written down when the response is closed: a cut one as far as it came."""

    def __init__(
        self, file: BinaryIO, request: httpx.Request, response: httpx.Response, redactor: Redactor
    ) -> None:
        self._file, self._request, self._response = file, request, response
        self._redactor, self._body = redactor, bytearray()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        async for chunk in self._response.stream:
            if len(self._body) < MAX_BYTES:
                self._body += self._redactor.feed(chunk)
            yield chunk

    async def aclose(self) -> None:
        self._body += self._redactor.close()
        reply = Reply(self._response.status_code, dict(self._response.headers), bytes(self._body))
        with suppress(OSError), self._file:  # a full disk leaves a file no replay takes
            write_exchange(self._file, self._request.content, reply)
        await self._response.aclose()  # may be cancelled


class Replayer(httpx.AsyncBaseTransport):
    """Nothing leaves the machine."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._replay.answer(request.content)
        if isinstance(reply, str):
            raise DivergedError(f"this is not the recorded session: {reply}")
        return httpx.Response(reply.status, headers=reply.headers, stream=_Whole(reply.body))


class _Whole(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
