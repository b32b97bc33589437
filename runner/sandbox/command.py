"""A shell command over a workspace, in a sandbox of its own: no network, no model, no codex."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from runner.ports import Engine, TestRun
from runner.records.base import RunId
from runner.records.sandbox import Overlay, SandboxSpec, Scratch, StopReason, Walls
from runner.text import visible

TAIL_BYTES = 4096
HOME = "/home/runner"


class Tail:
    """A Watch that keeps a log on disk and the end of it in memory."""

    def __init__(self, log: Path, halted: Callable[[], StopReason | None]) -> None:
        self._log = log.open("wb")
        self._halted = halted
        self.tail = b""

    def stdout(self, chunk: bytes) -> None:
        self._log.write(chunk)
        self.tail = (self.tail + chunk)[-TAIL_BYTES:]

    stderr = stdout

    def stop(self) -> StopReason | None:
        return self._halted()

    def close(self) -> None:
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
) -> TestRun:
    """`/bin/sh -c command` in /work; stdout and stderr go to `log` (bounded by the walls)."""
    spec = SandboxSpec(
        run=run,
        role="tests",
        argv=("/bin/sh", "-c", command),
        env={"PATH": engine.path, "HOME": HOME, "LANG": "C.UTF-8", "CI": "1", "TERM": "dumb"},
        walls=walls,
        workspace=overlay,
        scratch=(Scratch("/tmp", 1024), Scratch(HOME, 256)),
    )
    tail = Tail(log, halted)
    try:
        ended = engine.run(spec, b"", tail)
    finally:
        tail.close()
    return TestRun(exit=ended, tail=visible(tail.tail.decode(errors="replace")))
