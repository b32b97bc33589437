"""The `Stage` of an engine that sees none of the runner's files: another machine, a virtual one.

1. What a sandbox is made of lies in volumes on the engine's side, sent once (`volumes`).
2. What it writes lies in a volume of its own; overlayfs finds all of them by the paths the engine
   says they have.
3. A second container, the companion, has all of them while the sandbox lives, so that the engine
   keeps them. It receives what is sent, before it is started and without running anything.
4. Started, it runs `remote_far`: listens at the sockets the sandbox sees, tells how much is
   written, and in the end what. Its stdin and stdout are the only way between here and there.
5. Overlays are marked in `user.overlay.`: then their owner may read them, without a privilege.
"""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner.ports import Watch
from runner.records.sandbox import Exit, Overlay, SandboxSpec, StopReason, Walls
from runner.sandbox import docker_spec, mux, owner, remote_far
from runner.sandbox.docker_client import Client, attached, remove, remove_volume, speaking
from runner.sandbox.docker_spec import Host
from runner.sandbox.docker_stage import Placed
from runner.sandbox.remote_line import Line
from runner.sandbox.remote_move import STAGE, TREE, UPPER, Move
from runner.sandbox.remote_upper import remake
from runner.sandbox.volume_pack import archive, pack
from runner.sandbox.volumes import Volumes, tidy

HOLD = "/hold"
"""Where the companion sees all other volumes."""
BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from runner.sandbox import remote_far; "
    "remote_far.main(*sys.argv[1:])"
)
PYTHON = ("/usr/bin/python3", "-I", "-S", "-c", BOOT)
FAR = "sandbox/remote_far.py"
READY_S = 30
TOLD_BYTES = 64
MEMORY_MIB, PIDS = 256, 32
"""Of the companion."""


class Remote:
    """See the module."""

    @contextmanager
    def placed(self, client: Client, spec: SandboxSpec, host: Host) -> Iterator[Placed]:
        beside = _companion(spec)
        name = f"{owner.LABEL}-{spec.run}-beside-{secrets.token_hex(4)}"
        labels = owner.labels(spec.run, spec.role, beside.walls.wall_s + docker_spec.ORPHAN_S)
        with ExitStack() as stack:
            stack.callback(remove_volume, client, name)
            with speaking("make a volume for the sandbox"):
                made = client.create_volume(name, "local", None, labels)
            move = Move(Volumes(client, spec.run), Path(made["Mountpoint"]))
            there = _There(move.spec(spec), move.host(host), spec.workspace)
            code = move.kept(stack.enter_context(_sources()))
            argv = (*PYTHON, f"{HOLD}/{code.name}/{TREE}", f"{STAGE}/{UPPER}", *move.doors)
            beside, mounts = replace(beside, argv=argv), _mounts(name, move)
            plain = replace(host, runtime=None)  # a socket made in gVisor is nobody else's
            body = docker_spec.mounting(beside, plain, name, labels, mounts)
            stack.callback(remove, client, name)
            with speaking("create the container beside the sandbox"):
                client.create_container_from_config(body, name)
            _send(client, name, move, host.uid, spec.workspace)
            if move.doors or spec.workspace:
                stack.enter_context(_open(client, name, there, tuple(move.doors.values())))
            yield there


@dataclass(slots=True)
class _There:
    """`Placed` on the engine's side."""

    spec: SandboxSpec
    host: Host
    local: Overlay | None
    line: Line | None = None
    usage: socket.socket | None = None
    _told: bytes = b""

    def watching(self, watch: Watch, *_: object) -> AbstractContextManager[Watch]:
        return nullcontext(_Farsighted(watch, self))

    def over(self) -> StopReason | None:
        """What was written, as told last, against the walls."""
        if self.usage is None:
            return None
        with suppress(BlockingIOError):
            self._told = (self._told + self.usage.recv(4096, socket.MSG_DONTWAIT))[-TOLD_BYTES:]
        *_, last, _ = (b"\n" + self._told).split(b"\n")
        kib, _, entries = last.partition(b" ")
        if not kib.isdigit() or not entries.isdigit():
            return None
        if int(kib) > self.spec.walls.disk_mib * 1024:
            return "disk"
        return "entries" if int(entries) > self.spec.walls.entries else None

    def collect(self, end: Exit) -> Exit:
        if self.local is None or self.line is None:
            return end
        with self.line.dial(remote_far.UPPER) as told:
            try:
                wall = remake(told, self.local, self.host.uid, self.spec.walls)
            except ConnectionError as error:
                raise self.line.lost() from error
        if wall is None or end.stopped is not None:
            return end
        return end.model_copy(update={"code": None, "stopped": wall})


@dataclass(slots=True)
class _Farsighted:
    """A Watch that also heeds what is told from the other side."""

    watch: Watch
    there: _There

    def stdout(self, chunk: bytes) -> None:
        self.watch.stdout(chunk)

    def stderr(self, chunk: bytes) -> None:
        self.watch.stderr(chunk)

    def stop(self) -> StopReason | None:
        return self.there.over() or self.watch.stop()


def _companion(spec: SandboxSpec) -> SandboxSpec:
    life_s = spec.walls.wall_s + docker_spec.ORPHAN_S
    walls = Walls(wall_s=life_s, memory_mib=MEMORY_MIB, pids=PIDS, cpus=1)
    return SandboxSpec(spec.run, "probe", (), {}, walls, cwd="/", scratch=())


def _mounts(name: str, move: Move) -> list[dict[str, Any]]:
    """The sandbox's own volume, and all others, so that the engine keeps them."""
    own = _volume(name, STAGE, read_only=False)
    held = [
        _volume(held.name, f"{HOLD}/{held.name}", read_only=held.whole)
        for held in move.held.values()
    ]
    return [own, *held]


def _volume(name: str, target: str, *, read_only: bool) -> dict[str, Any]:
    options = {"NoCopy": True}
    row = {"Type": "volume", "Source": name, "Target": target, "ReadOnly": read_only}
    return {**row, "VolumeOptions": options}


def _send(client: Client, name: str, move: Move, uid: int, workspace: Overlay | None) -> None:
    """Everything the engine lacks, through the companion, which does not run yet."""
    with speaking("take the sandbox's files"):
        for volume, root in move.missing.items():
            client.put_archive(name, f"{HOLD}/{volume}", archive(pack(root, TREE)))
            move.volumes.seal(move.held[volume])
        client.put_archive(name, STAGE, archive(move.own(uid, workspace)))
    if move.missing:
        tidy(client)


@contextmanager
def _open(client: Client, name: str, there: _There, doors: Sequence[Path]) -> Iterator[None]:
    """The companion runs and listens until the end of the block."""
    with attached(client, name) as link:
        line = Line(link, doors)
        try:
            with speaking("start the container beside the sandbox"):
                client.start(name)
            line.start()
            with line.dial(remote_far.USAGE) as usage:
                usage.settimeout(READY_S)
                if not _told_something(usage):
                    raise line.lost()
                there.line, there.usage = line, usage
                yield
        finally:
            line.close()


def _told_something(usage: socket.socket) -> bool:
    """It listens at the doors before it tells anything."""
    with suppress(TimeoutError):
        return bool(usage.recv(1, socket.MSG_PEEK))
    return False


@contextmanager
def _sources() -> Iterator[Path]:
    """The code the companion runs, and nothing else of the package."""
    package = Path(mux.__file__).parents[1]
    with TemporaryDirectory(prefix="codex-runner-") as name:
        root = Path(name).resolve()
        root.chmod(0o755)
        (root / "runner/sandbox").mkdir(parents=True)
        for file in ("__init__.py", "sandbox/__init__.py", "sandbox/mux.py", FAR):
            shutil.copyfile(package / file, root / "runner" / file)
        yield root
