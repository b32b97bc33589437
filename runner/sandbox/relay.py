"""A byte pipe from 127.0.0.1:PORT to one UNIX socket, beside the command it starts.

`python3 -I -S relay.py PORT SOCKET -- ARGV...`: listens, forks, becomes ARGV; so ARGV's exit status
is the sandbox's, and the port answers before ARGV's first instruction. The child pumps bytes until
ARGV is gone. It understands nothing it carries and reaches nothing but SOCKET.
Runs alone inside sandboxes, under any Python from 3.7 on: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys

CHUNK_BYTES = 65536
MOST_CONNECTIONS = 256
ALIVE_S = 1.0
"""How often the child looks whether the command still lives, where nothing tells it."""


class Flow:
    """One direction of one connection. At most one chunk waits; until it is gone none is read."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.waiting = b""
        self.ended = False

    def move(self) -> None:
        """Carry what can be carried now; hand on the end. Raises OSError when either side broke."""
        try:
            if not self.waiting and not self.ended:
                self.waiting = self.source.recv(CHUNK_BYTES)
                if not self.waiting:
                    self.ended = True
                    self.sink.shutdown(socket.SHUT_WR)
            if self.waiting:
                self.waiting = self.waiting[self.sink.send(self.waiting) :]
        except BlockingIOError:
            return


class Connection:
    """Two sockets and the flows between them."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.flows = (Flow(near, far), Flow(far, near))

    def events(self, side: socket.socket) -> int:
        """What `side` is waited for: 0 = nothing."""
        wanted = 0
        for flow in self.flows:
            if flow.source is side and not flow.ended and not flow.waiting:
                wanted |= selectors.EVENT_READ
            if flow.sink is side and flow.waiting:
                wanted |= selectors.EVENT_WRITE
        return wanted

    def done(self) -> bool:
        return all(flow.ended and not flow.waiting for flow in self.flows)


class Relay:
    """The child's loop: one thread, as many connections as `MOST_CONNECTIONS`."""

    def __init__(self, listener: socket.socket, target: str) -> None:
        self.listener, self.target = listener, target
        self.selector = selectors.DefaultSelector()
        self.connections: dict[Connection, dict[socket.socket, int]] = {}
        self.listening = False

    def run(self, command: int) -> None:
        """Until process `command`, the parent, is gone."""
        self.listener.setblocking(False)
        with contextlib.suppress(AttributeError, OSError):  # Python before 3.9, Linux before 5.3
            self.selector.register(os.pidfd_open(command), selectors.EVENT_READ, command)
        while os.getppid() == command:
            self._listen(len(self.connections) < MOST_CONNECTIONS)
            for key, _ in self.selector.select(ALIVE_S):
                if key.data is None:
                    self._accept()
                elif key.data in self.connections:
                    self._move(key.data)

    def _listen(self, wanted: bool) -> None:
        if wanted and not self.listening:
            self.selector.register(self.listener, selectors.EVENT_READ)
        elif self.listening and not wanted:
            self.selector.unregister(self.listener)
        self.listening = wanted

    def _accept(self) -> None:
        try:
            near = self.listener.accept()[0]
        except OSError:
            return
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            far.connect(self.target)  # waits while the socket's queue is full
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            near.close()
            far.close()
            return
        near.setblocking(False)
        far.setblocking(False)
        connection = Connection(near, far)
        self.connections[connection] = {near: 0, far: 0}
        self._watch(connection)

    def _move(self, connection: Connection) -> None:
        try:
            for flow in connection.flows:
                flow.move()
        except OSError:
            self._close(connection)
            return
        if connection.done():
            self._close(connection)
        else:
            self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        watched = self.connections[connection]
        for side, before in watched.items():
            events = connection.events(side)
            if events and before:
                self.selector.modify(side, events, connection)
            elif events:
                self.selector.register(side, events, connection)
            elif before:
                self.selector.unregister(side)
            watched[side] = events

    def _close(self, connection: Connection) -> None:
        for side, events in self.connections.pop(connection).items():
            if events:
                self.selector.unregister(side)
            side.close()


def detach() -> None:
    """Hold none of the command's pipes and hear none of the signals meant for it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)


def main(arguments: list[str]) -> int:
    if len(arguments) < 4 or arguments[2] != "--" or not arguments[0].isdigit():
        sys.stderr.write("usage: relay.py PORT SOCKET -- ARGV...\n")
        return 2
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", int(arguments[0])))
    except (OSError, OverflowError) as error:
        sys.stderr.write(f"relay: cannot listen on port {arguments[0]}: {error}\n")
        return 1
    listener.listen(128)
    command = os.getpid()
    if os.fork() == 0:
        detach()
        Relay(listener, arguments[1]).run(command)
        return 0
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores these; the command must not inherit
    try:
        os.execvp(arguments[3], arguments[3:])
    except OSError as error:
        sys.stderr.write(f"relay: cannot start {arguments[3]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
