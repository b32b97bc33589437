"""Every engine that works here, and a short way to run something in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import Exit, Overlay, SandboxSpec, Scratch, StopReason, Walls
from tests.far_docker import Far, far_docker
from tests.overlays import OVERLAYS, BubblewrapOverlay

HOME = "/home/runner"


@dataclass(slots=True)
class Heard:
    """A Watch that remembers, and stops the sandbox when `until` says why."""

    out: bytes = b""
    err: bytes = b""
    until: Callable[[Heard], StopReason | None] = lambda heard: None

    def stdout(self, chunk: bytes) -> None:
        self.out += chunk

    def stderr(self, chunk: bytes) -> None:
        self.err += chunk

    def stop(self) -> StopReason | None:
        return self.until(self)


@dataclass(frozen=True, slots=True)
class Ended:
    exit: Exit
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Probe:
    """Runs things in one engine; `spec` is what all of them have in common."""

    engine: Engine
    folder: Path
    spec: SandboxSpec = field(
        default_factory=lambda: SandboxSpec(
            run=RunId("contract"),
            role="probe",
            argv=(),
            env={},
            walls=Walls(wall_s=60),
            scratch=(Scratch("/tmp", 16), Scratch(HOME, 16)),
        )
    )

    def with_(self, **changes: object) -> Probe:
        return replace(self, spec=replace(self.spec, **changes))  # type: ignore[arg-type]

    def run(self, *argv: str, stdin: bytes = b"", watch: Heard | None = None) -> Ended:
        heard = watch or Heard()
        env = {"PATH": self.engine.path, "HOME": HOME, **self.spec.env}
        end = self.engine.run(replace(self.spec, argv=argv, env=env), stdin, heard)
        return Ended(end, heard.out.decode(errors="replace"), heard.err.decode(errors="replace"))

    def sh(self, script: str, **more: object) -> Ended:
        return self.run("/bin/sh", "-c", script, **more)  # type: ignore[arg-type]

    def python(self, script: str, *arguments: str, **more: object) -> Ended:
        return self.run(self.engine.python, "-I", "-c", script, *arguments, **more)  # type: ignore[arg-type]

    def own(self, path: Path) -> Path:
        """Hands a path, which may not exist yet as a directory, to the sandbox's user."""
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.engine.uid, self.engine.uid, follow_symlinks=False)
        return path

    def overlay(self, files: Mapping[str, str], folder: str = "work", layers: int = 1) -> Overlay:
        """`.git` is covered. With more layers the files are in the lowest."""
        place = self.folder / folder
        lowers = tuple(place / f"lower{number}" for number in range(layers))
        for lower in lowers:
            (lower / ".git").mkdir(parents=True)
        for name, content in files.items():
            (lowers[-1] / name).parent.mkdir(parents=True, exist_ok=True)
            (lowers[-1] / name).write_text(content)
        (place / "cover").mkdir()
        (place / "cover" / "HEAD").write_text("covered\n")
        for path in (*lowers, place / "upper", place / "overlay-work"):
            self.own(path)
        return Overlay(
            lowers,
            place / "upper",
            place / "overlay-work",
            {".git": place / "cover"},
            self.engine.attributes,
        )


@pytest.fixture(scope="session")
def far_engine() -> Iterator[Far]:
    """A Docker engine that sees none of this machine's files."""
    with far_docker() as far:
        yield far


@pytest.fixture(scope="session")
def far(far_engine: Far) -> str:
    """Its address."""
    return far_engine.address


@pytest.fixture(scope="session", params=["bubblewrap", "docker", "far docker"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Skipped, with the reason, where it does not work."""
    address = request.getfixturevalue("far") if request.param == "far docker" else None
    found = _engine(request.param, address)
    failed = [check for check in found.checks() if check.required and not check.ok]
    if failed:
        told = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        pytest.skip(f"engine {request.param} does not work here: {told}")
    return found


def _engine(name: str, address: str | None = None) -> Engine:
    from runner.sandbox.codex_package import locate

    if name != "bubblewrap":
        from runner.sandbox.docker import DockerEngine

        return DockerEngine(locate(), address=address)
    from runner.sandbox.bubblewrap import BubblewrapEngine

    return BubblewrapEngine(locate())


@pytest.fixture
def probe(engine: Engine, tmp_path: Path) -> Probe:
    return Probe(engine, tmp_path.resolve())


@pytest.fixture(params=OVERLAYS, ids=lambda overlay: overlay.attributes)
def overlays(request: pytest.FixtureRequest) -> BubblewrapOverlay:
    made: BubblewrapOverlay = request.param
    return made
