"""SandboxSpec -> the bodies of the engine's API calls. Pure: nothing is asked, nothing is made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from runner.records.base import RunId
from runner.records.sandbox import WORK, Bind, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox.rlimits import FIRST_TO_GO, rlimits

MIB = 1024 * 1024
SHM_MIB = 64
INODES_PER_MIB = 256
ADDED = ("HOME", "HOSTNAME", "PATH")
"""Environment variables an engine sets by itself."""
ETC = ("hosts", "resolv.conf")
"""Files in /etc that an engine without network leaves empty; resolvers give up at once by them."""
ORPHAN_S = 60
"""How long after its wall clock a container without a runner ends by itself."""


@dataclass(frozen=True, slots=True)
class Host:
    """What a container takes from the engine it runs in."""

    image: str
    uid: int
    gid: int
    cpus: int
    """The engine refuses more than the machine has."""
    seccomp: str
    """The profile itself, as JSON text."""
    files: tuple[Bind, ...]
    """Product-owned files every container sees: /etc/hosts and the like, the codex package."""
    runtime: str | None = None
    confinement: tuple[str, ...] = ()
    """More `--security-opt`, e.g. our AppArmor profile."""
    propagation: str = "rprivate"
    """Of binds; empty = the engine's choice, which it insists on below its own root."""


def volume(overlay: Overlay) -> dict[str, str]:
    """Options of a `local` volume that is this overlay; the engine mounts it at start.

    `redirect_dir` lets directories be renamed; `userxattr` forbids it and is what an ordinary
    user can read back.
    """
    lowers = ":".join(_escaped(lower) for lower in overlay.lowers)
    marks = "redirect_dir=on" if overlay.attributes == "trusted.overlay." else "userxattr"
    options = (
        f"lowerdir={lowers},upperdir={_escaped(overlay.upper)},workdir={_escaped(overlay.work)}"
        f",{marks},nodev,nosuid"
    )
    return {"type": "overlay", "device": "overlay", "o": options}


def container(
    spec: SandboxSpec, host: Host, name: str, labels: Mapping[str, str]
) -> dict[str, object]:
    """The body of `POST /containers/create`; `name` is its volume's, too."""
    return {
        "Image": host.image,
        "Entrypoint": _prefix(spec),
        "Cmd": list(spec.argv),
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "User": f"{host.uid}:{host.gid}",
        "WorkingDir": spec.cwd,
        "Hostname": "sandbox",
        "Labels": dict(labels),
        "NetworkDisabled": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": True,
        "StdinOnce": True,
        "Tty": False,
        "HostConfig": _host_config(spec, host, name),
    }


def _host_config(spec: SandboxSpec, host: Host, name: str) -> dict[str, object]:
    return {
        **_confinement(host),
        **_limits(spec.walls, host.cpus),
        "Mounts": _mounts(spec, host, name),
        "Tmpfs": _tmpfs(spec, host),
    }


def _prefix(spec: SandboxSpec) -> list[str]:
    """1. Takes away what the engine adds to the environment. 2. Ends an orphan: nobody may be left
    to kill it."""
    unset = [f"--unset={name}" for name in ADDED if name not in spec.env]
    deadline_s = str(int(spec.walls.wall_s) + ORPHAN_S)
    return ["/usr/bin/env", *unset, "/usr/bin/timeout", "--kill-after=5", deadline_s]


def _confinement(host: Host) -> dict[str, object]:
    """`NetworkDisabled` besides mode `none`: an empty network namespace without the engine's
    set-up of one, which is half of the time a start takes."""
    settings: dict[str, object] = {
        "NetworkMode": "none",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={host.seccomp}", *host.confinement],
        "ReadonlyRootfs": True,
        "Privileged": False,
        "Init": True,
        "IpcMode": "private",
        "ShmSize": SHM_MIB * MIB,
        "LogConfig": {"Type": "none"},
        "AutoRemove": False,
        "OomKillDisable": False,
        "OomScoreAdj": FIRST_TO_GO,
        "RestartPolicy": {"Name": "no"},
    }
    return {**settings, "Runtime": host.runtime} if host.runtime else settings


def _limits(walls: Walls, cpus: int) -> dict[str, object]:
    """Swap is counted into `MemorySwap`: equal means none."""
    memory_bytes = walls.memory_mib * MIB
    return {
        "Memory": memory_bytes,
        "MemorySwap": memory_bytes,
        "PidsLimit": walls.pids,
        "NanoCpus": min(walls.cpus, cpus) * 1_000_000_000,
        "Ulimits": [
            {"Name": name, "Soft": value, "Hard": value} for name, value in rlimits(walls).items()
        ],
    }


def _mounts(spec: SandboxSpec, host: Host, name: str) -> list[dict[str, object]]:
    """The engine sorts them by depth, so covers land on top of the workspace."""
    mounts = [bind_mount(bind, host.propagation) for bind in (*host.files, *spec.binds)]
    if spec.workspace is not None:
        workspace: dict[str, object] = {
            "Type": "volume",
            "Source": name,
            "Target": WORK,
            "VolumeOptions": {"NoCopy": True},
        }
        covers = (Bind(path, f"{WORK}/{cover}") for cover, path in spec.workspace.covers.items())
        mounts += [workspace, *(bind_mount(cover, host.propagation) for cover in covers)]
    return mounts


def bind_mount(bind: Bind, propagation: str = "rprivate") -> dict[str, object]:
    choice = {"Propagation": propagation} if propagation else {}
    return {
        "Type": "bind",
        "Source": str(bind.source),
        "Target": bind.target,
        "ReadOnly": True,
        "BindOptions": {**choice, "NonRecursive": True},
    }


def _tmpfs(spec: SandboxSpec, host: Host) -> dict[str, str]:
    """Without a workspace `/work` is an empty directory nobody can write to."""
    mounts = {scratch.target: _scratch(scratch, host) for scratch in spec.scratch}
    empty = {} if spec.workspace is not None else {WORK: "ro,noexec,nosuid,nodev,size=4k,mode=0555"}
    return {**empty, **mounts}


def _scratch(scratch: Scratch, host: Host) -> str:
    """`exec` because the engine's default is noexec and tests run binaries from /tmp."""
    return (
        f"rw,exec,nosuid,nodev,size={scratch.mib}m,nr_inodes={scratch.mib * INODES_PER_MIB}"
        f",mode=0700,uid={host.uid},gid={host.gid}"
    )


def _escaped(path: Path) -> str:
    """overlayfs splits at commas and colons unless a backslash stands before them."""
    text = os.fspath(path)
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")


def sweeper(run: RunId) -> SandboxSpec:
    """Empties what `emptying` mounts."""
    command = ("/bin/sh", "-c", "chmod 700 /mnt && rm -rf /mnt/*")
    return SandboxSpec(run, "probe", command, {}, Walls(wall_s=30), cwd="/", scratch=())


def emptying(
    left: Path, spec: SandboxSpec, host: Host, name: str, labels: Mapping[str, str]
) -> dict[str, object]:
    """A container of root, without any capability, that may write to one directory: `left`."""
    writable = {**bind_mount(Bind(left, "/mnt")), "ReadOnly": False}
    return mounting(spec, replace(host, uid=0, gid=0), name, labels, [writable])


def mounting(
    spec: SandboxSpec,
    host: Host,
    name: str,
    labels: Mapping[str, str],
    mounts: Sequence[Mapping[str, object]],
) -> dict[str, object]:
    """A `container` with these mounts alone."""
    body = container(spec, replace(host, files=()), name, labels)
    return {**body, "HostConfig": {**_host_config(spec, host, name), "Mounts": [*mounts]}}


def unenforced(info: Mapping[str, object]) -> tuple[str, ...]:
    """Walls that the engine takes note of and then ignores, by what it says of its kernel."""
    needs = {"memory_mib": "MemoryLimit", "pids": "PidsLimit", "cpus": "CpuCfsQuota"}
    return tuple(wall for wall, feature in needs.items() if info.get(feature) is False)
