"""One connection to a client: one request is read from it, one answer written to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine

import h11

from runner.broker.refusal import error_body

MAX_HEADER_BYTES = 32 * 1024
READ_BYTES = 64 * 1024
WRITE_S = 60.0
"""What is written has to be taken within this time."""
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden"}


class GoneError(Exception):
    """The client hung up."""


class Link:
    """h11 reads, so that nothing of HTTP is parsed here; what is written has no variants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._closed = False
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)

    async def head(self) -> h11.Request:
        """Raises h11.RemoteProtocolError for what is no request, GoneError."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            raise GoneError
        return event

    async def body(self) -> AsyncIterator[bytes]:
        """As many bytes as the head announced. Raises GoneError."""
        try:
            while isinstance(event := await self._event(), h11.Data):
                yield bytes(event.data)
        except h11.RemoteProtocolError:  # it ended too early
            raise GoneError from None

    async def until_gone(self, work: Coroutine[None, None, None]) -> None:
        """Runs `work`, but not longer than the client waits for it.

        A half-closed connection counts as hung up: the sandbox's relay tells of it in this way.

        Raises:
            GoneError: `work` was cancelled.
        """
        task = asyncio.create_task(work)
        gone = asyncio.create_task(self._gone())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hung_up = not task.done()
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)
        if hung_up:
            raise GoneError
        task.result()

    async def refuse(self, status: int, code: str, message: str) -> None:
        """A whole answer, as JSON."""
        content = error_body(code, message)
        await self.begin(status, "application/json", len(content))
        await self.write(content)

    async def begin(self, status: int, kind: str, length: int | None = None) -> None:
        """The head of an answer; without a length, the end of the connection ends it."""
        size = "" if length is None else f"content-length: {length}\r\n"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: {kind}\r\n{size}"
        await self.write(f"{head}cache-control: no-store\r\nconnection: close\r\n\r\n".encode())

    async def write(self, chunk: bytes) -> None:
        """Raises GoneError, also when nobody reads."""
        self._writer.write(chunk)
        if not self._writer.transport.get_write_buffer_size():
            return  # the kernel has it all
        try:
            async with asyncio.timeout(WRITE_S):
                await self._writer.drain()
        except (OSError, TimeoutError):
            raise GoneError from None

    async def close(self) -> None:
        """What is written is still delivered, for a time."""
        self._writer.close()
        try:
            async with asyncio.timeout(WRITE_S):
                await self._writer.wait_closed()
                self._closed = True
        except (OSError, TimeoutError):
            raise GoneError from None

    def abort(self) -> None:
        """At once."""
        if not self._closed:  # asyncio fails on a transport that has flushed and closed
            self._writer.transport.abort()

    async def _event(self) -> object:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            try:
                self._h11.receive_data(await self._reader.read(READ_BYTES))
            except OSError:
                raise GoneError from None
        return event

    async def _gone(self) -> None:
        """Whatever else the client sends is read and dropped, or its end could not be heard."""
        try:
            while await self._reader.read(READ_BYTES):
                pass
        except OSError:
            return
