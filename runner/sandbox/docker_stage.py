"""Where a docker engine finds what a sandbox is made of: on this machine, when it shares files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from runner.ports import Watch
from runner.records.sandbox import Exit, SandboxSpec
from runner.sandbox.disk import bounded
from runner.sandbox.docker_client import Client, first_process
from runner.sandbox.docker_spec import Host


class Placed(Protocol):
    """One sandbox's files where the engine finds them; every path is one of the engine's."""

    @property
    def spec(self) -> SandboxSpec: ...
    @property
    def host(self) -> Host: ...
    def watching(self, watch: Watch, client: Client, name: str, /) -> AbstractContextManager[Watch]:
        """The same, which now also stops container `name` at the walls of its disk."""

    def collect(self, end: Exit) -> Exit:
        """Called when the sandbox is dead and removed; what it wrote is in the local `upper`."""


class Stage(Protocol):
    """Brings a sandbox's files to where an engine finds them."""

    def placed(
        self, client: Client, spec: SandboxSpec, host: Host
    ) -> AbstractContextManager[Placed]: ...


@dataclass(frozen=True, slots=True)
class Here:
    """`Placed` where everything already is."""

    spec: SandboxSpec
    host: Host

    def watching(self, watch: Watch, client: Client, name: str) -> AbstractContextManager[Watch]:
        return bounded(watch, self.spec, lambda: first_process(client, name))

    def collect(self, end: Exit) -> Exit:
        return end


@dataclass(frozen=True, slots=True)
class Local:
    """The `Stage` of an engine that sees the runner's files."""

    sweep: Callable[[Client, SandboxSpec], None] | None
    """Removes what the runner may not remove itself of a workspace."""

    @contextmanager
    def placed(self, client: Client, spec: SandboxSpec, host: Host) -> Iterator[Placed]:
        try:
            yield Here(spec, host)
        finally:
            if spec.workspace and self.sweep:
                self.sweep(client, spec)
