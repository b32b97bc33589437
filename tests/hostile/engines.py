"""One command in one sandbox of the real engines, where no codex is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import Bind, EngineName, SandboxSpec, StopReason, Walls
from runner.sandbox.bubblewrap import BubblewrapEngine
from runner.sandbox.codex_package import locate
from runner.sandbox.docker import DockerEngine

PLACE = "/etc/hostile"
"""Where a sandbox sees the payloads."""


@dataclass(slots=True)
class Ear:
    """A Watch that remembers."""

    heard: list[bytes] = field(default_factory=list)

    def stdout(self, chunk: bytes) -> None:
        self.heard.append(chunk)

    stderr = stdout

    def stop(self) -> StopReason | None:
        return None

    @property
    def text(self) -> str:
        return b"".join(self.heard).decode(errors="replace")


def make_engine(name: EngineName) -> Engine:
    package = locate()
    return DockerEngine(package) if name == "docker" else BubblewrapEngine(package)


def run_inside(engine: Engine, payload: Path, *words: str, binds: tuple[Bind, ...] = ()) -> str:
    """What a Python payload prints, run as the sandbox's only process."""
    ear = Ear()
    spec = SandboxSpec(
        run=RunId("hostile"),
        role="probe",
        argv=(engine.python, "-I", f"{PLACE}/{payload.name}", *words),
        env={"PATH": engine.path, "HOME": "/tmp"},
        walls=Walls(wall_s=120),
        binds=(*binds, Bind(payload.parent, PLACE)),
    )
    engine.run(spec, b"", ear)
    return ear.text
