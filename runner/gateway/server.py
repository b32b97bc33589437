"""Serves one ASGI application on one UNIX socket or loopback port, in a thread, for a `with`."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runner.errors import ConfigError
from runner.gateway.place import Place
from runner.in_thread import Started, in_thread
from runner.socket_path import short

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

BACKLOG = 128
KEEP_ALIVE_S = 30
GRACE_S = 2
SETTLING_TURNS = 5
HEAD_BYTES = 64 * 1024
Loop = Literal["auto", "asyncio"]
LOOPBACK = frozenset({"127.0.0.1", "::1"})


@contextmanager
def serving(
    application: ASGIApp, place: Place, *, mode: int = 0o600, loop: Loop = "auto"
) -> Iterator[Place]:
    """Yields where it listens; whoever connects at once waits until it answers.

    Leaving lets requests that are under way end, for a moment, and removes the socket. `mode` is
    the socket's; more than 0600 only inside of a private directory. `loop` is `auto` (the fastest
    that is installed) or `asyncio` (the one that is imported already).

    Raises:
        ConfigError: the place is taken, or cannot be used.
    """
    with ExitStack() as stack:
        listener = _unix(place, mode, stack) if isinstance(place, Path) else _tcp(*place)
        stack.callback(listener.close)
        listener.listen(BACKLOG)
        with in_thread("gateway", partial(_serve, application, listener, loop)):
            yield place if isinstance(place, Path) else (place[0], listener.getsockname()[1])


def _serve(application: ASGIApp, listener: socket.socket, loop: Loop, started: Started) -> None:
    """Heavy imports are paid here, while clients may already wait in the backlog."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self._over, running = asyncio.Event(), asyncio.get_running_loop()
            started.set_result(lambda: _tell(running, self._over))

        async def main_loop(self) -> None:
            """Uvicorn looks ten times a second whether it is to end: a run would wait for that."""
            await self._over.wait()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Nor is anything waited for when nobody is there; but no connection is left open: one
            that is would keep some loops from ending."""
            for each in sockets or ():
                asyncio.get_running_loop().remove_reader(each)
            await _settled()  # asyncio forgets whom it accepted if the server goes first
            for each in (*self.servers, *(sockets or ())):
                each.close()
            await _settled()
            if self.server_state.connections or self.server_state.tasks:
                await super().shutdown(sockets)
                for left in [*self.server_state.connections]:  # their time is over
                    left.transport.abort()
                await _settled()

    Server(_configured(application, loop)).run(sockets=[listener])


def _configured(application: ASGIApp, loop: Loop) -> uvicorn.Config:
    from uvicorn import Config

    from runner.gateway.protocol import MOST_CONNECTIONS, Protocol

    return Config(
        application,
        http=Protocol,
        loop=loop,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what a client sends is no news
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=HEAD_BYTES,
    )


async def _settled() -> None:
    """Who was accepted, or ended, a moment ago is known to be so a few turns of the loop later."""
    for _ in range(SETTLING_TURNS):
        await asyncio.sleep(0)


def _tell(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    with suppress(RuntimeError):  # it has ended by itself
        loop.call_soon_threadsafe(over.set)


def _unix(path: Path, mode: int, stack: ExitStack) -> socket.socket:
    """Bound, and from the beginning open to nobody but this user."""
    remedy = "name another with --socket, in a directory of yours"
    try:
        _require_private(path.parent)
        with short(path) as near:
            _clear(path, near)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stack.callback(listener.close)
            os.fchmod(listener.fileno(), 0o600)
            listener.bind(near)
            stack.callback(path.unlink, missing_ok=True)
            os.chmod(near, mode)
    except OSError as error:
        raise ConfigError(f"cannot serve on {path}: {error.strerror}", remedy) from error
    return listener


def _require_private(directory: Path) -> None:
    """Nobody else can put another socket in its place."""
    found = directory.stat()
    sticky = bool(found.st_mode & stat.S_ISVTX)
    if found.st_uid not in {0, os.geteuid()} or (found.st_mode & 0o022 and not sticky):
        raise ConfigError(
            f"cannot serve on a socket in {directory}: others can write there",
            f"chmod go-w {directory}, or name another with --socket",
        )


def _clear(path: Path, near: str) -> None:
    """Removes a socket that nobody listens on any more. Raises ConfigError: somebody does."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(f"{path} is there, and is no socket", "name another with --socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        answer = probe.connect_ex(near)
    if answer != errno.ECONNREFUSED:
        raise ConfigError(
            f"another gateway listens on {path}", "end it, or name another with --socket"
        )
    path.unlink()


def _tcp(host: str, port: int) -> socket.socket:
    if host not in LOOPBACK:
        raise ConfigError(f"{host} is no loopback address", "serve on 127.0.0.1 or ::1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot serve on {host} port {port}: {error.strerror}", "name another with --tcp"
        ) from error
    return listener
