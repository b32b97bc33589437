"""Lends metered access to a model on a per-session UNIX socket; the key stays here."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

from runner.broker.budget import Meter
from runner.broker.journal import Journal
from runner.broker.keys import Key
from runner.broker.state import State
from runner.broker.thread import in_thread
from runner.broker.upstream import Upstream
from runner.errors import InfraError
from runner.records.usage import Budget, Price, Usage

if TYPE_CHECKING:
    import asyncio

SOCKET = "model.sock"
MAX_PATH_BYTES = 100
"""Of a socket's path; Linux takes 107."""


@dataclass(frozen=True, slots=True)
class BrokerLease:
    """One session's access; what it tells is counted here, not by the client."""

    directory: Path
    meter: Meter
    state: State

    def usage(self) -> Usage:
        return self.meter.usage()

    def message(self) -> str:
        return self.state.message

    def fault(self) -> str | None:
        return self.state.fault

    def quiet_s(self) -> float:
        return self.state.quiet_s()


@dataclass(frozen=True, slots=True)
class Broker:
    """`Broker(Upstream(url), load_key("env:OPENAI_API_KEY"), prices)`; prices by model."""

    upstream: Upstream
    key: Key
    prices: Mapping[str, Price]

    def holds(self) -> tuple[bytes, ...]:
        return (self.key.secret,)

    @contextmanager
    def lend(self, model: str, budget: Budget, log: Path) -> Iterator[BrokerLease]:
        """The socket exists at once; who connects waits until the server behind it has started.

        Raises:
            InfraError: the log or the socket cannot be made.
        """
        meter = Meter(budget, self.prices.get(model), self.upstream.output_tokens)
        state = State()
        with ExitStack() as stack:
            try:
                directory = stack.enter_context(_directory())
                journal = stack.enter_context(Journal(log))
                listener = stack.enter_context(_listener(directory))
            except OSError as error:
                raise InfraError(
                    f"cannot lend the model: {error}", "free some disk; set TMPDIR to a short path"
                ) from error
            serve = partial(self._serve, model, budget.wall_s, meter, state, journal, listener)
            stack.enter_context(in_thread(serve))
            yield BrokerLease(directory, meter, state)

    async def _serve(
        self,
        model: str,
        wall_s: float,
        meter: Meter,
        state: State,
        journal: Journal,
        listener: socket.socket,
        stop: asyncio.Event,
    ) -> None:
        with listener:  # a client must not wait for a server that failed to start
            # httpx tries to import its own command line, and 30 ms of rich and pygments with it
            sys.modules.setdefault("httpx._main", cast(ModuleType, None))
            from runner.broker.application import Application
            from runner.broker.server import serve

            async with self.upstream.client(self.key) as client:
                url = f"{self.upstream.base_url}/responses"
                application = Application(model, self.key, meter, state, journal, client, url)
                await serve(listener, application, stop, wall_s)


@contextmanager
def _directory() -> Iterator[Path]:
    """Open to every uid, for a sandbox that sees it, under a parent that is open to none."""
    parent = Path(tempfile.mkdtemp(prefix="cr-"))
    try:
        inner = parent / "broker"
        inner.mkdir()
        inner.chmod(0o755)
        yield inner
    finally:
        shutil.rmtree(parent)


def _listener(directory: Path) -> socket.socket:
    path = directory / SOCKET
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise OSError(f"the path of the socket is too long: {path}")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener
