"""One attached container: fed, heard, and ended when a wall is hit. One thread, flat memory."""

from __future__ import annotations

import math
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from runner.errors import InfraError
from runner.ports import Watch
from runner.records.sandbox import StopReason, Walls
from runner.sandbox.heard import ABRUPT, Heard

MIB = 1024 * 1024
CHUNK_BYTES = 65536
HEADER_BYTES = 8
POLL_S = 0.05
DRAIN_S = 1.0
"""How long the stream of a dead container is still read for what it said last."""
LADDER = (("SIGINT", 1.0), ("SIGTERM", 0.5), ("SIGKILL", 15.0))


class Frames:
    """Cuts the engine's attach stream: kind, three zero bytes, big-endian length, content.

    Content is handed on in the pieces it arrives in; nothing but a header is ever kept.
    """

    def __init__(self) -> None:
        self._header = b""
        self._kind = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(1, stdout) and (2, stderr) pieces."""
        at = 0
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                self._left -= len(piece)
                yield self._kind, piece
            else:
                piece = data[at : at + HEADER_BYTES - len(self._header)]
                self._header += piece
                if len(self._header) == HEADER_BYTES:
                    self._kind, self._left = self._header[0], int.from_bytes(self._header[4:])
                    self._header = b""
            at += len(piece)


@dataclass(slots=True)
class Conversation:
    """A started container's streams (`link`) and the reply to "tell me when it ends" (`ended`).

    The end is the container's, not the streams': whoever holds a pipe open holds up nobody.
    """

    link: socket.socket
    ended: int
    stdin: bytes
    heard: Heard
    deadline: float
    kill: Callable[[str], None]
    stopped: StopReason | None = None
    _hand: ThreadPoolExecutor = field(init=False)
    _killing: Future[None] | None = None
    _frames: Frames = field(default_factory=Frames)
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def until_end(self) -> None:
        """Raises InfraError when not even SIGKILL ended it."""
        with self._selector, ThreadPoolExecutor(1) as self._hand:
            self._open()
            rungs: Iterator[tuple[str, float]] = iter(())
            next_rung_at = math.inf
            while not self._turn():
                now = time.monotonic()
                if self.stopped is None:
                    self.stopped = self._why(now)
                    rungs = iter(LADDER[-1:] if self.stopped in ABRUPT else LADDER)
                    next_rung_at = now if self.stopped else math.inf
                if now >= next_rung_at:
                    next_rung_at = now + self._climb(rungs)
            self._drain()
        if self._killing is not None:
            self._killing.result()

    def _open(self) -> None:
        self.link.setblocking(False)
        self._selector.register(self.ended, selectors.EVENT_READ)
        self._selector.register(self.link, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _turn(self) -> bool:
        """One round of I/O; True when the container has ended."""
        over = False
        for key, events in self._selector.select(POLL_S):
            if key.fd == self.ended:
                over = True
                continue
            if events & selectors.EVENT_WRITE:
                self._feed()
            if events & selectors.EVENT_READ and not self._listen():
                self._selector.unregister(self.link)
        return over

    def _feed(self) -> None:
        """Half-closes when everything is said, so that the command sees the end of its stdin."""
        try:
            self.stdin = self.stdin[self.link.send(self.stdin[:CHUNK_BYTES]) :]
            if not self.stdin:
                self.link.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # it closed its stdin, or is gone
            self.stdin = b""
        if not self.stdin:
            self._selector.modify(self.link, selectors.EVENT_READ)

    def _listen(self) -> bool:
        """False at the end of the stream."""
        try:
            data = self.link.recv(CHUNK_BYTES)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        for kind, chunk in self._frames.feed(data):
            self.heard.take(kind, chunk)
        return bool(data)

    def _drain(self) -> None:
        until = time.monotonic() + DRAIN_S
        self.link.settimeout(DRAIN_S)
        try:
            while time.monotonic() < until and self._listen():
                pass
        except TimeoutError:
            return

    def _why(self, now: float) -> StopReason | None:
        if now > self.deadline:
            return "wall-clock"
        if self.heard.overflown():
            return "output"
        return self.heard.watch.stop()

    def _climb(self, rungs: Iterator[tuple[str, float]]) -> float:
        """The engine answers a SIGKILL when the container has ended, which it has not before its
        last words are read: so somebody else waits for the answer."""
        for signal_name, grace_s in rungs:
            self._killing = self._hand.submit(self.kill, signal_name)
            return grace_s
        raise InfraError(
            "a container survived SIGKILL", "look at the docker engine's log and at its disks"
        )


def converse(
    link: socket.socket,
    ended: int,
    stdin: bytes,
    watch: Watch,
    walls: Walls,
    kill: Callable[[str], None],
) -> tuple[Heard, StopReason | None]:
    """Feed and hear a started container until it has ended by itself or by the ladder."""
    heard = Heard(watch, walls.output_mib * MIB)
    deadline = time.monotonic() + walls.wall_s
    conversation = Conversation(link, ended, stdin, heard, deadline, kill)
    conversation.until_end()
    return heard, conversation.stopped
