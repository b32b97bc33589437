"""Serves one application on one UNIX socket from a thread of its own, and stops at once."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

if TYPE_CHECKING:
    from runner.broker.application import Application

HEADER_S = 5.0
WRITE_S = 60.0
MAX_CONNECTIONS = 256
MAX_HEADER_BYTES = 32 * 1024
BACKLOG = 256


class Connection(H11Protocol):
    """One request per connection, and a deadline for all that a client can be slow at."""

    _head: asyncio.TimerHandle | None = None
    _write: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
        self._head = self.loop.call_later(HEADER_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and self._head is not None:
            self._head.cancel()  # the header is whole; the application bounds the body

    def pause_writing(self) -> None:
        super().pause_writing()
        self._must_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write is not None:
            self._write.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._must_read()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._write):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        self.app_state["application"].malformed()
        super().send_400_response(msg)
        self._must_read()

    def _must_read(self) -> None:
        """What is written has to be taken within WRITE_S."""
        if self._write is not None:
            self._write.cancel()
        self._write = self.loop.call_later(WRITE_S, self.transport.abort)


async def serve(
    listener: socket.socket, application: Application, stop: asyncio.Event, wall_s: float
) -> None:
    """Until `stop` is set: then every connection is cut and the listener closed.

    After `wall_s` all that is under way is cut; who asks again is refused by the budget.
    """
    config = _config(application)
    state = ServerState()

    connect = partial(
        Connection, config=config, server_state=state, app_state={"application": application}
    )

    def expire() -> None:
        application.expire()
        _cut(state)

    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(connect, sock=listener, backlog=BACKLOG)
    clock = loop.call_later(wall_s, expire)
    try:
        await stop.wait()
    finally:
        clock.cancel()
        server.close()
        _cut(state)
        for task in tuple(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


def _cut(state: ServerState) -> None:
    for connection in tuple(state.connections):
        connection.transport.abort()


def _config(application: Application) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        interface="asgi3",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        log_level="critical",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    config.load()
    return config
