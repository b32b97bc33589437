"""SandboxSpec -> bubblewrap's arguments. They name every file the sandbox will ever see."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.records.sandbox import CODEX, WORK, Overlay, SandboxSpec, Scratch
from runner.sandbox.resources import resource

MIB = 1024 * 1024
SHM = Scratch("/dev/shm", 64)
UID = 1000
"""Of the sandbox's user, seen from inside."""
SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Beside /usr: links into it, or directories where /usr is not merged."""
FROM_SYSTEM = ("ld.so.cache", "alternatives")
"""All that is seen of the system's /etc."""
ETC = {
    "passwd": f"root:x:0:0::/nonexistent:/bin/false\nsandbox:x:{UID}:{UID}::/nonexistent:/bin/sh\n",
    "group": f"root:x:0:\nsandbox:x:{UID}:\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "gitconfig": "[safe]\n\tdirectory = *\n",
}

NAMESPACES = (
    *("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session"),
    *("--hostname", "sandbox", "--clearenv"),
)

Files = Mapping[str, int]
"""Descriptor of the content, by name in /etc."""


@dataclass(frozen=True, slots=True)
class System:
    """What sandboxes are made of, besides their spec."""

    root: Path
    """Holds `usr`: `/` or a root filesystem of the operator."""
    python_home: Path | None
    """Shown at its own path where `root` has no python3."""
    codex: Path | None


def etc() -> dict[str, str]:
    """Generated files of /etc: nothing in them is of this machine."""
    shared = {name: resource(name).read_text() for name in ("hosts", "resolv.conf")}
    return {**ETC, **shared}


def arguments(spec: SandboxSpec, system: System, files: Files) -> list[str]:
    """Everything but who the user is, the filter and the command."""
    environment = [word for pair in spec.env.items() for word in ("--setenv", *pair)]
    return [*NAMESPACES, *environment, *_mounts(spec, system, files), "--chdir", spec.cwd]


def _mounts(spec: SandboxSpec, system: System, files: Files) -> list[str]:
    """1. The system, read-only. 2. Kernel file systems of its own. 3. A generated /etc. 4. The
    workspace, then what covers parts of it. 5. Scratch. 6. Product files. 7. The root, which is a
    tmpfs by now complete, read-only; so is /dev."""
    made: set[str] = {"/"}
    words: list[str] = []
    for target, mount in _plan(spec, system, files):
        if not target.startswith(f"{WORK}/"):
            words += _parents(target, made)
        words += mount
    return [*words, "--remount-ro", "/dev", "--remount-ro", "/"]


Planned = Iterator[tuple[str, list[str]]]
"""(target, bubblewrap's arguments for it)"""


def _plan(spec: SandboxSpec, system: System, files: Files) -> Planned:
    yield from _system(system)
    yield "/proc", ["--proc", "/proc", "--dev", "/dev"]
    yield SHM.target, _tmpfs(SHM)
    for name, descriptor in files.items():
        yield f"/etc/{name}", ["--perms", "0444", "--file", str(descriptor), f"/etc/{name}"]
    yield from _workspace(spec.workspace)
    if spec.codex and system.codex is not None:
        yield _bind(system.codex, CODEX)
    for scratch in spec.scratch:
        yield scratch.target, _tmpfs(scratch)
    for bind in spec.binds:
        yield _bind(bind.source, bind.target)


def _system(system: System) -> Planned:
    yield _bind(system.root / "usr", "/usr")
    for name in SYSTEM:
        path = system.root / name
        if path.is_symlink():
            yield f"/{name}", ["--symlink", os.readlink(path), f"/{name}"]
        elif path.is_dir():
            yield _bind(path, f"/{name}")
    for name in FROM_SYSTEM:
        source = system.root / "etc" / name
        yield f"/etc/{name}", ["--ro-bind-try", str(source), f"/etc/{name}"]
    if system.python_home is not None:
        yield _bind(system.python_home, str(system.python_home))


def _workspace(overlay: Overlay | None) -> Planned:
    """bubblewrap stacks its sources upwards: the first is the lowest."""
    if overlay is None:
        yield WORK, ["--perms", "0555", "--dir", WORK]
        return
    layers = [word for lower in reversed(overlay.lowers) for word in ("--overlay-src", str(lower))]
    yield WORK, [*layers, "--overlay", str(overlay.upper), str(overlay.work), WORK]
    for name, cover in overlay.covers.items():
        yield _bind(cover, f"{WORK}/{name}")


def _bind(source: Path, target: str) -> tuple[str, list[str]]:
    return target, ["--ro-bind", str(source), target]


def _tmpfs(scratch: Scratch) -> list[str]:
    """World-writable with the sticky bit: the sandbox has one user, who may not be its maker."""
    size = str(scratch.mib * MIB)
    return ["--size", size, "--perms", "1777", "--tmpfs", scratch.target]


def _parents(target: str, made: set[str]) -> list[str]:
    """bubblewrap would make them for its maker only."""
    words: list[str] = []
    for parent in reversed(PurePosixPath(target).parents):
        if str(parent) not in made:
            words += ["--perms", "0755", "--dir", str(parent)]
            made.add(str(parent))
    return words
