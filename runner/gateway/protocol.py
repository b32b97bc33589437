"""Uvicorn's HTTP with the limits that it lacks, and with the peer of a UNIX socket.

1. Who the peer is, is asked of the kernel when it connects; the application finds it in its state.
2. A request has to be here in time, head and body; its head is only so large.
3. No user id holds more than its part of the connections, so that nobody shuts the others out. Over
   TCP nobody knows user ids.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
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

_held: Counter[tuple[int, int | None]] = Counter()
"""Connections of (server, user id)."""


class Protocol(Http):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_bytes = 0
        self._clock: asyncio.TimerHandle | None = None
        peer = _peer(transport.get_extra_info("socket"))
        self.app_state = {**self.app_state, "peer": peer}
        self._place = (id(self.server_state), peer.uid if peer else None)
        _held[self._place] += 1
        if peer is not None and _held[self._place] > MOST_OF_ONE:
            transport.abort()
            return
        self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:  # a head that has no end yet
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
        _held[self._place] -= 1
        if not _held[self._place]:
            del _held[self._place]
        super().connection_lost(exc)

    def _await_request(self) -> None:
        self._clock = self.loop.call_later(REQUEST_S, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None


def _peer(link: Any) -> Peer | None:
    """None = TCP."""
    if link is None or link.family != socket.AF_UNIX:
        return None
    data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(data)
    return Peer(pid, uid)
