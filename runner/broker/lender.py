"""Lends metered access to a model on a per-session UNIX socket; the key stays here."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from runner.broker.account import Account
from runner.broker.budget import Meter
from runner.broker.journal import Journal
from runner.broker.keys import Key
from runner.broker.rules import Rules
from runner.broker.state import State
from runner.broker.thread import looping
from runner.broker.upstream import Upstream
from runner.errors import InfraError
from runner.records.usage import Budget, Price, ToolCall, Usage
from runner.socket_path import short

if TYPE_CHECKING:
    import asyncio
    from ssl import SSLContext

SOCKET = "model.sock"


@dataclass(frozen=True, slots=True)
class BrokerLease:
    """One session's access; what it tells is counted here, not by the client."""

    directory: Path
    meter: Meter
    state: State

    def usage(self) -> Usage:
        state = self.state
        told = {"retries": state.retries, "waited_s": round(state.waited_s), "waits": state.waits}
        return self.meter.usage().model_copy(update={**told, "served": state.served})

    def calls(self) -> tuple[ToolCall, ...]:
        return self.state.calls.told()

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
    account: Account | None = None
    """Shared with other runs; None = only the lease's own budget counts."""
    others: tuple[bytes, ...] = ()
    """More credentials in the runner's hands, which may pass in neither direction."""

    def holds(self) -> tuple[bytes, ...]:
        return (self.key.secret, *self.others)

    @contextmanager
    def lend(self, model: str, budget: Budget, log: Path) -> Iterator[BrokerLease]:
        """The socket exists at once; who connects waits until the server behind it has started.

        Raises:
            InfraError: the log or the socket cannot be made.
            ConfigError: the certificate authorities cannot be read.
        """
        trust = self.upstream.trust()
        price = self.prices.get(model)
        meter = Meter(budget, model, price, self.upstream.output_tokens, self.account)
        state = State()
        with ExitStack() as stack:
            try:
                directory = stack.enter_context(_directory())
                journal = stack.enter_context(Journal(log))
                listener = stack.enter_context(_listener(directory))
            except OSError as error:
                raise InfraError(f"cannot lend the model: {error}", "free some disk") from error
            rules = Rules(model, self.upstream.deployments.get(model, model), self.holds())
            serve = partial(
                self._serve, rules, trust, budget.wall_s, meter, state, journal, listener
            )
            stack.enter_context(looping(serve))
            yield BrokerLease(directory, meter, state)

    async def _serve(
        self,
        rules: Rules,
        trust: SSLContext | bool,
        wall_s: float,
        meter: Meter,
        state: State,
        journal: Journal,
        listener: socket.socket,
        stop: asyncio.Event,
    ) -> None:
        with listener:  # a client must not wait for a server that failed to start
            from runner.broker.application import Application
            from runner.broker.server import Server

            async with self.upstream.client(self.key, trust, rules.held) as client:
                url = self.upstream.url
                application = Application(rules, meter, state, journal, client, url)
                await Server(application).serve(listener, stop, wall_s)


@contextmanager
def _directory() -> Iterator[Path]:
    """Open to every uid, for a sandbox that sees it, under a parent that is open to none."""
    with tempfile.TemporaryDirectory(prefix="broker-") as parent:
        inner = Path(parent) / "broker"
        inner.mkdir()
        inner.chmod(0o755)
        yield inner


@contextmanager
def _listener(directory: Path) -> Iterator[socket.socket]:
    """Its name is good as long as it is: asyncio looks at it again when it closes."""
    with short(directory / SOCKET) as name, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        (directory / SOCKET).chmod(0o666)
        listener.listen(256)
        yield listener
