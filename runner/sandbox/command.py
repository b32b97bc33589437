"""A shell command over a workspace, in a sandbox of its own: no model, no codex."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from runner.ports import Engine, TestRun
from runner.records.base import RunId
from runner.records.sandbox import Bind, Overlay, Role, SandboxSpec, Scratch, StopReason, Walls
from runner.redact import Redactor
from runner.text import visible

TAIL_BYTES = 4096
HOME = "/home/runner"
HIDDEN = b"[credential]"


@dataclass(frozen=True, slots=True)
class Extras:
    """What a setup's sandbox has and a test's has not."""

    role: Role = "tests"
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    binds: tuple[Bind, ...] = ()
    launcher: tuple[str, ...] = ()
    """Goes before the shell."""
    hidden: tuple[bytes, ...] = field(default=(), repr=False)
    """Credentials, taken out of what is kept of its output."""


NO_EXTRAS = Extras()


class Tail:
    """A Watch that keeps a log on disk and the end of it in memory."""

    def __init__(
        self, log: Path, halted: Callable[[], StopReason | None], hidden: tuple[bytes, ...] = ()
    ) -> None:
        self._log = log.open("wb")
        self._halted = halted
        self._redactor = Redactor(hidden, HIDDEN)
        self.tail = b""

    def stdout(self, chunk: bytes) -> None:
        """What may be the beginning of a credential waits for what follows it."""
        self._keep(self._redactor.feed(chunk))

    stderr = stdout

    def _keep(self, chunk: bytes) -> None:
        self._log.write(chunk)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]

    def stop(self) -> StopReason | None:
        return self._halted()

    def close(self) -> None:
        self._keep(self._redactor.close())
        self._log.close()


def run_command(
    engine: Engine,
    overlay: Overlay,
    command: str,
    *,
    run: RunId,
    walls: Walls,
    log: Path,
    halted: Callable[[], StopReason | None],
    extras: Extras = NO_EXTRAS,
    tail: Tail | None = None,
) -> TestRun:
    """`/bin/sh -c command` in /work; stdout and stderr go to `log` (bounded by the walls).

    `tail` hears it instead of one of `log`, and writes that itself.
    """
    env = {"PATH": engine.path, "HOME": HOME, "LANG": "C.UTF-8", "CI": "1", "TERM": "dumb"}
    spec = SandboxSpec(
        run=run,
        role=extras.role,
        argv=(*extras.launcher, "/bin/sh", "-c", command),
        env={**extras.env, **env},
        walls=walls,
        workspace=overlay,
        binds=extras.binds,
        scratch=(Scratch("/tmp", 1024), Scratch(HOME, 256)),
    )
    tail = tail or Tail(log, halted, extras.hidden)
    try:
        ended = engine.run(spec, b"", tail)
    finally:
        tail.close()
    return TestRun(exit=ended, tail=visible(tail.tail.decode(errors="replace")))
