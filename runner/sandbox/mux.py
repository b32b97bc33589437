"""Many byte streams over one: the two ends of a connection that is a container's stdin and stdout.

Frame: kind (1 byte), stream (4), length (4, big-endian), content. Either end opens streams; each
may have `WINDOW_BYTES` under way in each direction, so nothing that is not read can grow, and one
stream that nobody reads holds up no other. Whatever breaks these rules ends the whole connection.
Runs on both sides, so under any Python from 3.9 on: standard library only.
"""

from __future__ import annotations

import contextlib
import itertools
import selectors
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Protocol

OPEN, DATA, END, CUT, CREDIT = range(1, 6)
HEADER = struct.Struct(">BII")
CHUNK_BYTES = 65536
WINDOW_BYTES = 4 * CHUNK_BYTES
PENDING_BYTES = 16 * CHUNK_BYTES
"""What may wait for the connection itself before no stream is read any more."""
MOST_PENDING_BYTES = 2 * PENDING_BYTES
MOST_STREAMS = 64
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class BrokenError(Exception):
    """The other end does not keep the rules."""


class Link(Protocol):
    """One end of the connection, non-blocking."""

    def incoming(self) -> int: ...
    def outgoing(self) -> int: ...
    def receive(self) -> bytes | None:
        """What came, maybe nothing; None at the end. Raises BlockingIOError."""

    def send(self, data: bytes) -> int: ...


class Frames:
    """Cuts a byte stream into frames; never keeps more than one."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """(kind, stream, content). Raises BrokenError."""
        kept = self._kept
        kept += data
        at = 0
        while len(kept) - at >= HEADER.size:
            kind, number, length = HEADER.unpack_from(kept, at)
            if not OPEN <= kind <= CREDIT or length > CHUNK_BYTES:
                raise BrokenError(f"a frame of kind {kind} with {length} bytes")
            end = at + HEADER.size + length
            if len(kept) < end:
                break
            yield kind, number, bytes(kept[at + HEADER.size : end])
            at = end
        del kept[:at]


class Stream:
    """A local socket and what is under way between it and the other end."""

    def __init__(self, number: int, near: socket.socket) -> None:
        near.setblocking(False)
        self.number, self.near = number, near
        self.waiting = bytearray()
        """Came from the other end, not yet taken by the socket: at most a window."""
        self.credit = WINDOW_BYTES
        """How much the other end would still take."""
        self.said_all = self.heard_all = self.shut = False

    def events(self, may_read: bool) -> int:
        reads = may_read and self.credit and not self.said_all
        return (READ if reads else 0) | (WRITE if self.waiting else 0)

    def done(self) -> bool:
        return self.said_all and self.shut


class Mux:
    """One end. One thread runs `turn`; `answer(door)` makes the socket of a stream that the other
    end opens, or None when it has no such door."""

    def __init__(
        self, link: Link, first: int, answer: Callable[[int], socket.socket | None]
    ) -> None:
        """`first`: the two ends count their own streams from 1 and from 2."""
        self._link, self._answer = link, answer
        self._numbers = itertools.count(first, 2)
        self._theirs = 1 - first % 2
        self._frames = Frames()
        self._streams: dict[int, Stream] = {}
        self._listeners: dict[socket.socket, int] = {}
        self._pending = bytearray()
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int, int] = {}

    def listen(self, listener: socket.socket, door: int) -> None:
        """Every connection to `listener` becomes a stream to the other end's `door`."""
        listener.setblocking(False)
        self._listeners[listener] = door

    def dial(self, near: socket.socket, door: int) -> None:
        """`near` becomes a stream to the other end's `door`."""
        stream = Stream(next(self._numbers), near)
        self._streams[stream.number] = stream
        self._say(OPEN, stream.number, bytes([door]))

    def turn(self, timeout_s: float, wake: int | None = None) -> bool:
        """One round of I/O; False at the end of the connection. Raises BrokenError, OSError."""
        self._await(wake)
        going_on = True
        for key, events in self._selector.select(timeout_s):
            if key.fd == self._link.incoming() and events & READ:
                going_on = self._hear() and going_on
            if key.fd == self._link.outgoing() and events & WRITE:
                self._flush()
            if isinstance(key.data, socket.socket):
                self._accept(key.data)
            elif isinstance(key.data, int) and key.data in self._streams:
                self._serve(self._streams[key.data], events)
        return going_on

    def close(self) -> None:
        for stream in self._streams.values():
            stream.near.close()
        self._streams.clear()
        self._selector.close()

    def _await(self, wake: int | None) -> None:
        """What every descriptor is waited for now."""
        may_read = len(self._pending) < PENDING_BYTES
        wanted: dict[int, tuple[int, object]] = {self._link.incoming(): (READ, None)}
        if self._pending:
            before = wanted.get(self._link.outgoing(), (0, None))[0]
            wanted[self._link.outgoing()] = (before | WRITE, None)
        if wake is not None:
            wanted[wake] = (READ, None)
        if may_read and len(self._streams) < MOST_STREAMS:
            wanted |= {one.fileno(): (READ, one) for one in self._listeners}
        for stream in self._streams.values():
            if events := stream.events(may_read):
                wanted[stream.near.fileno()] = (events, stream.number)
        self._select(wanted)

    def _select(self, wanted: dict[int, tuple[int, object]]) -> None:
        for number in self._watched.keys() - wanted.keys():
            self._selector.unregister(number)
        for number, (events, data) in wanted.items():
            if number not in self._watched:
                self._selector.register(number, events, data)
            elif (key := self._selector.get_key(number)).events != events or key.data != data:
                self._selector.modify(number, events, data)
        self._watched = {number: events for number, (events, _) in wanted.items()}

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.dial(listener.accept()[0], self._listeners[listener])

    def _serve(self, stream: Stream, events: int) -> None:
        try:
            if events & WRITE:
                self._hand_on(stream)
            if events & READ and not stream.said_all and len(self._pending) < PENDING_BYTES:
                self._take_in(stream)
        except BlockingIOError:
            return
        except OSError:
            self._cut(stream)
            return
        self._settle(stream)

    def _take_in(self, stream: Stream) -> None:
        data = stream.near.recv(min(CHUNK_BYTES, stream.credit))
        stream.credit -= len(data)
        stream.said_all = not data
        self._say(DATA if data else END, stream.number, data)

    def _hand_on(self, stream: Stream) -> None:
        """To the local socket; the other end may then send as much again."""
        if stream.waiting:
            sent = stream.near.send(stream.waiting)
            del stream.waiting[:sent]
            self._say(CREDIT, stream.number, sent.to_bytes(4, "big"))
        if stream.heard_all and not stream.waiting and not stream.shut:
            stream.shut = True
            stream.near.shutdown(socket.SHUT_WR)

    def _settle(self, stream: Stream) -> None:
        if stream.done():
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        self._streams.pop(stream.number, None)
        number = stream.near.fileno()
        if self._watched.pop(number, None) is not None:
            self._selector.unregister(number)
        stream.near.close()

    def _cut(self, stream: Stream) -> None:
        self._say(CUT, stream.number)
        self._forget(stream)

    def _hear(self) -> bool:
        try:
            data = self._link.receive()
        except BlockingIOError:
            return True
        if data is None:
            return False
        for kind, number, content in self._frames.feed(data):
            self._obey(kind, number, content)
        return True

    def _obey(self, kind: int, number: int, content: bytes) -> None:
        if kind == OPEN:
            self._open(number, content)
            return
        stream = self._streams.get(number)
        if stream is None:  # closed here, while this was under way
            return
        if kind == CUT:
            self._forget(stream)
        elif kind == CREDIT:
            stream.credit += int.from_bytes(content, "big")
            if len(content) != 4 or stream.credit > WINDOW_BYTES:
                raise BrokenError("more credit than there is")
        else:
            if stream.heard_all or len(stream.waiting) + len(content) > WINDOW_BYTES:
                raise BrokenError("more data than there is room for")
            stream.waiting += content
            stream.heard_all = kind == END
            self._serve(stream, WRITE)

    def _open(self, number: int, content: bytes) -> None:
        fresh = number not in self._streams and number % 2 == self._theirs
        if len(content) != 1 or not fresh or len(self._streams) >= 2 * MOST_STREAMS:
            raise BrokenError("a stream that must not be opened")
        near = self._answer(content[0])
        if near is None:
            self._say(CUT, number)
        else:
            self._streams[number] = Stream(number, near)

    def _say(self, kind: int, number: int, content: bytes = b"") -> None:
        self._pending += HEADER.pack(kind, number, len(content)) + content
        if len(self._pending) > MOST_PENDING_BYTES:  # answers to one who asks and never listens
            raise BrokenError("nobody reads at the other end")
        if len(self._pending) < 2 * CHUNK_BYTES:
            self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                del self._pending[: self._link.send(bytes(self._pending[:CHUNK_BYTES]))]
