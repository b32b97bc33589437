"""The runner's end of the connection to `remote_far`: one thread that only moves bytes."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.sandbox.docker_stream import Frames
from runner.sandbox.mux import CHUNK_BYTES, BrokenError, Mux
from runner.socket_path import short

STDOUT, STDERR = 1, 2
CONNECT_S = 5
TURN_S = 60
KEPT_BYTES = 2000
GONE = "look at the docker engine's log: the container beside the sandbox is gone"


@dataclass(slots=True)
class Attached:
    """A container's attached streams as a mux's link; the end of its stderr is kept."""

    link: socket.socket
    stderr: bytes = b""
    _frames: Frames = field(default_factory=Frames)

    def __post_init__(self) -> None:
        self.link.setblocking(False)

    def incoming(self) -> int:
        return self.link.fileno()

    outgoing = incoming

    def receive(self) -> bytes | None:
        data = self.link.recv(CHUNK_BYTES)
        parts = {STDOUT: b"", STDERR: b""}
        for kind, piece in self._frames.feed(data):
            parts[kind] = parts.get(kind, b"") + piece
        self.stderr = (self.stderr + parts[STDERR])[-KEPT_BYTES:]
        return parts[STDOUT] if data else None

    def send(self, data: bytes) -> int:
        return self.link.send(data)


class Line:
    """Open from `start` to `close`. `doors` are local sockets, in the order the far side knows."""

    def __init__(self, link: socket.socket, doors: Sequence[Path]) -> None:
        self._attached = Attached(link)
        self._doors = doors
        self._calls: queue.SimpleQueue[tuple[socket.socket, int]] = queue.SimpleQueue()
        self._ear, self._bell = socket.socketpair()
        self._closing = False
        self._mux = Mux(self._attached, 2, self._answer)
        self._thread = threading.Thread(target=self._run, name="remote", daemon=True)
        self._why = ""

    def start(self) -> None:
        self._thread.start()

    def dial(self, door: int) -> socket.socket:
        """A stream to one of the far side's own doors; it ends when the connection does."""
        near, far = socket.socketpair()
        self._calls.put((far, door))
        self._ring()
        if not self._thread.is_alive():
            self._hang_up()
        return near

    def close(self) -> None:
        """Every stream is cut; returns when the thread has ended."""
        self._closing = True
        self._ring()
        if self._thread.ident is not None:
            self._thread.join()
        self._ear.close()
        self._bell.close()

    def lost(self) -> InfraError:
        """Why a stream ended too early."""
        told = self._attached.stderr.decode(errors="replace").strip().splitlines()
        why = self._why or (told[-1] if told else "it ended")
        return InfraError(f"the connection beside the sandbox broke: {why}", GONE)

    def _ring(self) -> None:
        with suppress(OSError):
            self._bell.send(b"!")

    def _run(self) -> None:
        try:
            while not self._closing and self._mux.turn(TURN_S, self._ear.fileno()):
                self._heed()
        except (BrokenError, OSError) as error:
            self._why = str(error)
        finally:
            self._mux.close()
            self._hang_up()

    def _heed(self) -> None:
        with suppress(BlockingIOError):
            self._ear.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
        with suppress(queue.Empty):
            while True:
                self._mux.dial(*self._calls.get_nowait())

    def _hang_up(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._calls.get_nowait()[0].close()

    def _answer(self, door: int) -> socket.socket | None:
        if door >= len(self._doors):
            return None
        near = socket.socket(socket.AF_UNIX)
        near.settimeout(CONNECT_S)
        try:
            with short(Path(self._doors[door])) as name:
                near.connect(name)
        except OSError:
            near.close()
            return None
        return near
