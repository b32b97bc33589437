"""A local socket that leads to a docker engine at `tcp://` or `ssh://`, for as long as we live.

So nothing else has to know of TLS or of ssh, and one direction of a stream can be ended everywhere:
over TLS that is a close_notify, which the standard library sends only through a memory BIO.
"""

from __future__ import annotations

import atexit
import os
import selectors
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

from runner.errors import InfraError
from runner.process import clean_env, kill_group, spawn

PORT, TLS_PORT = 2375, 2376
CONNECT_S = 20
CHUNK_BYTES = 65536
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
SSH_SOCKET = "/var/run/docker.sock"
SSH_ENV = ("HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK")
REMEDY = "give tcp://host:2376 with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or ssh://user@host"


@cache
def tunnel(address: str) -> Path:
    """The socket; made once for each address.

    Raises:
        InfraError: no such address, or its certificates or keys cannot be used.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InfraError(f"DOCKER_HOST={address} is no address", REMEDY) from error
    if not host or host.startswith("-"):
        raise InfraError(f"DOCKER_HOST={address} names no host", REMEDY)
    folder = Path(mkdtemp(prefix="codex-runner-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    place = Path(f"/proc/{os.getpid()}/fd/{handle}/docker.sock")  # short wherever the folder is
    if parts.scheme == "ssh":
        user = f"{parts.username}@" if parts.username else ""
        _forward(place, user + host, port, parts.path or SSH_SOCKET)
    else:
        tls = _context(os.environ)
        _serve(place, _Far(host, port or (TLS_PORT if tls else PORT), tls))
    return place


def _forward(place: Path, host: str, port: int | None, remote: str) -> None:
    """OpenSSH does it: one connection for all. Its `cat` ends when we end, however that is."""
    where = ("-p", str(port)) if port else ()
    options = ("-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-T")
    argv = ["ssh", *options, *where, "-L", f"{place}:{remote}", "--", host, "cat"]
    child = spawn(argv, env=clean_env({n: os.environ[n] for n in SSH_ENV if n in os.environ}))
    atexit.register(kill_group, child.pid)
    until = time.monotonic() + CONNECT_S
    while not place.exists():
        if child.poll() is not None or time.monotonic() > until:
            kill_group(child.pid)
            told = child.communicate()[1].decode(errors="replace").strip().splitlines()
            why = told[-1] if told else "no answer"
            raise InfraError(f"ssh to {host} failed: {why}", f"try: ssh {host} docker version")
        time.sleep(0.02)


def _context(environ: Mapping[str, str]) -> ssl.SSLContext | None:
    """As docker's own client reads its environment; None = no TLS."""
    if not environ.get("DOCKER_TLS_VERIFY"):
        return None
    folder = Path(environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=folder / "ca.pem")
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except (OSError, ssl.SSLError) as error:
        raise InfraError(
            f"the certificates in {folder} cannot be used: {error}",
            "put ca.pem, cert.pem and key.pem there, or set DOCKER_CERT_PATH",
        ) from error
    return context


@dataclass(frozen=True, slots=True)
class _Far:
    """Where the engine is."""

    host: str
    port: int
    tls: ssl.SSLContext | None

    def connect(self) -> tuple[socket.socket, _Plain]:
        """A connected socket, and what its bytes mean. Raises OSError."""
        link = socket.create_connection((self.host, self.port), CONNECT_S)
        if self.tls is None:
            return link, _Plain()
        try:
            return link, _Tls.agreed(self.tls, self.host, link)
        except OSError:
            link.close()
            raise


class _Plain:
    """Bytes as they are."""

    def coded(self, data: bytes) -> bytes:
        return data

    def decoded(self, data: bytes) -> tuple[bytes, bool]:
        """What was said, and whether that was all."""
        return data, not data

    def ending(self) -> bytes:
        """What tells the other side that nothing more will be said."""
        return b""


@dataclass(slots=True)
class _Tls(_Plain):
    """Bytes under TLS."""

    told: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    @classmethod
    def agreed(cls, context: ssl.SSLContext, host: str, link: socket.socket) -> _Tls:
        """After the handshake. Raises OSError."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        made = cls(context.wrap_bio(incoming, outgoing, server_hostname=host), incoming, outgoing)
        while True:
            try:
                made.told.do_handshake()
            except ssl.SSLWantReadError:
                link.sendall(outgoing.read())
                made.incoming.write(link.recv(CHUNK_BYTES) or _gone())
                continue
            link.sendall(outgoing.read())
            return made

    def coded(self, data: bytes) -> bytes:
        if data:
            self.told.write(data)
        return self.outgoing.read()

    def decoded(self, data: bytes) -> tuple[bytes, bool]:
        self.incoming.write(data)
        plain, ended = bytearray(), not data
        try:
            while not ended:
                piece = self.told.read(CHUNK_BYTES)
                plain += piece
                ended = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        return bytes(plain), ended

    def ending(self) -> bytes:
        with suppress(ssl.SSLError):  # it wants the other side's answer, which is not due yet
            self.told.unwrap()
        return self.outgoing.read()


def _gone() -> bytes:
    raise ConnectionError("the engine hung up")


def _serve(place: Path, far: _Far) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(16)

    def accept() -> None:
        while True:
            near = listener.accept()[0]
            threading.Thread(target=_carry, args=(near, far), daemon=True).start()

    threading.Thread(target=accept, daemon=True, name="tunnel").start()


def _carry(near: socket.socket, far: _Far) -> None:
    with near, suppress(OSError):
        link, code = far.connect()
        with link:
            _Carrier(near, link, code).run()


@dataclass(slots=True)
class _Carrier:
    """Both directions of one connection; at most a chunk waits in each, and is not read before."""

    near: socket.socket
    link: socket.socket
    code: _Plain
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    near_ended: bool = False
    far_ended: bool = False

    def run(self) -> None:
        """Until both have said all. Raises OSError when either breaks."""
        self.near.setblocking(False)
        self.link.setblocking(False)
        while not (self.near_ended and self.far_ended and not self.up and not self.down):
            with selectors.DefaultSelector() as selector:
                self._watch(selector, self.near, not self.near_ended and not self.up, self.down)
                self._watch(selector, self.link, not self.far_ended and not self.down, self.up)
                for key, events in selector.select():
                    with suppress(BlockingIOError):
                        self._serve(key.fileobj is self.near, events)

    @staticmethod
    def _watch(
        selector: selectors.BaseSelector, side: socket.socket, reads: bool, waiting: bytearray
    ) -> None:
        if events := (READ if reads else 0) | (WRITE if waiting else 0):
            selector.register(side, events)

    def _serve(self, near: bool, events: int) -> None:
        if near and events & READ:
            self._hear_near()
        elif not near and events & READ:
            self._hear_far()
        if events & WRITE:
            side, waiting = (self.near, self.down) if near else (self.link, self.up)
            del waiting[: side.send(waiting)]
            self._end(side, waiting)

    def _hear_near(self) -> None:
        data = self.near.recv(CHUNK_BYTES)
        self.near_ended = not data
        self.up += self.code.coded(data) if data else self.code.ending()
        self._end(self.link, self.up)

    def _hear_far(self) -> None:
        data, self.far_ended = self.code.decoded(self.link.recv(CHUNK_BYTES))
        self.down += data
        self.up += self.code.coded(b"")
        self._end(self.near, self.down)

    def _end(self, side: socket.socket, waiting: bytearray) -> None:
        """Hands on the end, when everything before it is said. TLS has said it by itself."""
        if waiting:
            return
        if side is self.near and self.far_ended:
            side.shutdown(socket.SHUT_WR)
        if side is self.link and self.near_ended and not isinstance(self.code, _Tls):
            side.shutdown(socket.SHUT_WR)
