"""What a sandbox is asked to be, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from runner.records.base import Record, RunId

EngineName = Literal["bubblewrap", "docker"]
Role = Literal["agent", "review", "tests", "setup", "probe"]
StopReason = Literal[
    "wall-clock", "idle", "output", "disk", "entries", "interrupted", "budget", "halted"
]

WORK = "/work"
"""Where every sandbox sees its workspace."""
BROKER = "/run/broker"
"""Where the agent's sandbox sees the directory with the sockets of broker and gate: `SOCKETS`."""
SOCKETS = ("model.sock", "gate.sock")
CODEX = "/opt/codex"
"""Where the codex package (`bin/codex`, `codex-resources`, `codex-path`) is seen."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A copy-on-write workspace: lower directories (first = topmost), one upper, one work.

    `covers` are directories mounted read-only over paths of the workspace, e.g. `.git`.
    `attributes` is the extended-attribute namespace overlayfs marks the upper with.
    """

    lowers: tuple[Path, ...]
    upper: Path
    work: Path
    covers: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    attributes: Literal["user.overlay.", "trusted.overlay."] = "user.overlay."


@dataclass(frozen=True, slots=True)
class Bind:
    """A product-owned host path, seen read-only at `target`."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True)
class Scratch:
    """A private tmpfs, owned by the sandbox's user, executable, gone with the sandbox."""

    target: str
    mib: int


@dataclass(frozen=True, slots=True)
class Walls:
    """Limits of one sandbox. What an engine cannot enforce it names in `Exit.unenforced`."""

    wall_s: float
    memory_mib: int = 2048
    pids: int = 512
    cpus: int = 2
    file_mib: int = 512
    open_files: int = 4096
    output_mib: int = 64
    disk_mib: int = 2048
    """Of the workspace's upper directory, blocks in use."""
    entries: int = 200_000
    """Of the workspace's upper directory: files, directories, links."""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """One process in one disposable sandbox; nothing is inherited that is not named here."""

    run: RunId
    role: Role
    argv: tuple[str, ...]
    env: Mapping[str, str]
    walls: Walls
    cwd: str = WORK
    workspace: Overlay | None = None
    binds: tuple[Bind, ...] = ()
    scratch: tuple[Scratch, ...] = (Scratch("/tmp", 512),)
    nested: bool = False
    """Allow the user namespaces that codex's own inner sandbox needs."""
    codex: bool = False
    """Show the codex package at `/opt/codex`."""


class Exit(Record):
    """How a sandbox ended. It is dead, with all its processes, when this exists."""

    code: int | None
    """The command's exit status; 128+N for signal N; None when the runner stopped it."""
    stopped: StopReason | None = None
    """Why the runner stopped it; None = it ended by itself."""
    out_of_memory: bool = False
    duration_ms: int
    start_ms: int = 0
    """Until the command's own start, as far as the engine can tell."""
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    stderr_tail: str = ""
    """The last 4 KiB of stderr, control characters escaped; told by the sandbox, not evidence."""
    unenforced: tuple[str, ...] = ()
    """Names of `Walls` fields this engine could not enforce here."""


class Check(Record):
    """One precondition of an engine, tried for real."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""
    required: bool = True
    """False = the engine works without it, but says so."""
