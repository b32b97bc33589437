"""Does a docker engine see the runner's files as they are? Tried with a real container."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import Bind, Overlay, SandboxSpec, Walls
from runner.sandbox.probe import Answers
from runner.socket_path import short

if TYPE_CHECKING:
    from runner.sandbox.docker import DockerEngine

SEEN = "/mnt/probe"
TRY = (
    "import pathlib, socket; nonce = pathlib.Path('/mnt/probe/nonce').read_bytes(); "
    "pathlib.Path('made').write_bytes(nonce); door = socket.socket(socket.AF_UNIX); "
    "door.connect('/mnt/probe/door'); door.sendall(nonce)"
)
TRY_S = 20


def shares(engine: DockerEngine) -> bool:
    """1. A file of a fresh temporary directory is read. 2. What is written in an overlay appears
    here, and belongs to the expected user. 3. A socket made here can be reached."""
    nonce = secrets.token_bytes(16)
    with (
        TemporaryDirectory(dir=engine.scratch, ignore_cleanup_errors=True) as state,
        TemporaryDirectory(prefix="codex-runner-") as temporary,
        short(Path(temporary) / "door") as name,
        socket.socket(socket.AF_UNIX) as door,
    ):
        overlay, seen = _overlay(engine, Path(state).resolve()), Path(temporary).resolve()
        (seen / "nonce").write_bytes(nonce)
        door.bind(name)
        door.listen()
        for path, mode in ((seen, 0o755), (seen / "nonce", 0o644), (seen / "door", 0o666)):
            path.chmod(mode)
        try:
            engine.run_at(engine.local(), _spec(engine, overlay, seen), b"", Answers())
            made = overlay.upper / "made"
            written = made.read_bytes() == nonce and made.stat().st_uid == engine.uid
        except (InfraError, OSError):
            return False
        return written and _heard(door) == nonce


def _overlay(engine: DockerEngine, folder: Path) -> Overlay:
    for name in ("lower", "upper", "work"):
        (folder / name).mkdir(mode=0o755)
        os.chown(folder / name, engine.uid, engine.gid)
    return Overlay(
        (folder / "lower",),
        folder / "upper",
        folder / "work",
        attributes="trusted.overlay." if os.geteuid() == 0 else "user.overlay.",
    )


def _spec(engine: DockerEngine, overlay: Overlay, seen: Path) -> SandboxSpec:
    return SandboxSpec(
        run=RunId("probe"),
        role="probe",
        argv=(engine.python, "-I", "-S", "-c", TRY),
        env={},
        walls=Walls(wall_s=TRY_S, disk_mib=1, entries=100),
        workspace=overlay,
        binds=(Bind(seen, SEEN),),
        scratch=(),
    )


def _heard(door: socket.socket) -> bytes:
    """What the container said, which is dead by now; nothing when it never came."""
    door.setblocking(False)
    with suppress(BlockingIOError):
        near, _ = door.accept()
        with near:
            return near.recv(64)
    return b""
