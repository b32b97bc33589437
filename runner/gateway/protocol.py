"""Uvicorn's HTTP with the limits that it lacks, and with the peer of a UNIX socket.

1. Who the peer is, is asked of the kernel when it connects; the application finds it in its state.
2. A request has to be here in time, head and body; its head is only so large.
3. No user id holds more than its part of the connections, so that nobody shuts the others out. Over
   TCP nobody knows user ids: there the oldest connection that waits for its client makes room.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

from runner.gateway.callers import Peer
from runner.gateway.server import HEAD_BYTES

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as Http
else:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Http
    except ImportError:  # the extra `gateway` is not installed
        from uvicorn.protocols.http.h11_impl import H11Protocol as Http

REQUEST_S = 10.0
"""From a connection, or the first byte of a later request, to the last byte of its body."""
MOST_CONNECTIONS = 256
MOST_OF_ONE = 64
"""Connections of one user id."""
_CREDENTIALS = struct.Struct("3i")

_held: dict[tuple[int, int | None], dict[Protocol, None]] = {}
"""Connections of (server, user id), the oldest first."""


class Protocol(Http):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport, self.loop))
        self._head_bytes = 0
        self._clock: asyncio.TimerHandle | None = None
        peer = _peer(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": peer}
        self._place = (id(self.server_state), peer.uid if peer else None)
        held = _held.setdefault(self._place, {})
        held[self] = None
        if peer is not None and len(held) > MOST_OF_ONE:
            transport.abort()
            return
        if peer is None and len(held) >= MOST_CONNECTIONS:
            waits = next(each for each in held if each is self or each._awaits_client())
            del held[waits]  # its end is told later, maybe after the next request
            self.connections.discard(waits)
            waits.transport.abort()
        self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle = self.cycle
        if self._is_idle():  # a head that has no end yet
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.transport.abort()
                return
        else:
            self._head_bytes = 0
            if not cycle.more_body:
                self._stop_clock()
                return
        if self._clock is None:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        held = _held.get(self._place, {})
        held.pop(self, None)
        if not held:
            _held.pop(self._place, None)
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _awaits_client(self) -> bool:
        return self._is_idle() or self.cycle.more_body

    def _await_request(self) -> None:
        self._clock = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


class Joined(asyncio.Transport):
    """Head and body of an answer leave as one: they are not two system calls, and do not wake the
    client twice."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._inner, self._loop, self._head = inner, loop, b""
        self.is_closing = inner.is_closing  # type: ignore[method-assign]
        self.pause_reading = inner.pause_reading  # type: ignore[method-assign]
        self.resume_reading = inner.resume_reading  # type: ignore[method-assign]
        self.get_extra_info = inner.get_extra_info  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """What nothing follows at once is written in the loop's next turn."""
        if self._head:
            self._inner.write(self._head + data)
            self._head = b""
        else:
            self._head = data
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        self._flush()
        self._inner.close()

    def abort(self) -> None:
        self._flush()
        self._inner.abort()

    def _flush(self) -> None:
        if self._head and not self._inner.is_closing():
            self._inner.write(self._head)
        self._head = b""


def _peer(link: Any) -> Peer | None:
    """None = TCP."""
    if link is None or link.family != socket.AF_UNIX:
        return None
    data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(data)
    return Peer(pid, uid)
