"""Serves one application on one UNIX socket, and stops at once."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import h11

from runner.broker.link import READ_BYTES, GoneError, Link

if TYPE_CHECKING:
    from runner.broker.application import Application

HEADER_S = 5.0
MAX_CONNECTIONS = 256


class Server:
    """One request per connection, and a deadline for all that a client can be slow at."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._tasks: dict[asyncio.Task[None], Link] = {}

    async def serve(self, listener: socket.socket, stop: asyncio.Event, wall_s: float) -> None:
        """Until `stop` is set: then every connection is cut and the listener closed.

        After `wall_s` all that is under way is cut; who asks again is refused by the budget.
        """
        loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(
            self._accept, sock=listener, limit=READ_BYTES, backlog=MAX_CONNECTIONS
        )
        clock = loop.call_later(wall_s, self._expire)
        try:
            await stop.wait()
        finally:
            clock.cancel()
            server.close()
            self._cut()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(reader, writer)
        if len(self._tasks) >= MAX_CONNECTIONS:
            link.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(link))
        self._tasks[task] = link
        task.add_done_callback(self._tasks.pop)

    async def _serve(self, link: Link) -> None:
        try:
            await self._converse(link)
            await link.close()
        except (GoneError, TimeoutError):
            return
        finally:
            link.abort()

    async def _converse(self, link: Link) -> None:
        try:
            async with asyncio.timeout(HEADER_S):
                head = await link.head()
        except h11.RemoteProtocolError:
            await self._application.malformed(link)
        else:
            await self._application.answer(head, link)

    def _expire(self) -> None:
        self._application.expire()
        self._cut()

    def _cut(self) -> None:
        for task, link in self._tasks.items():
            link.abort()
            task.cancel()
