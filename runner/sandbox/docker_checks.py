"""What the docker engine needs of this machine, tried with a real container."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import CODEX, Bind, Check, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox import apparmor
from runner.sandbox.docker import DockerEngine
from runner.sandbox.docker_spec import unenforced
from runner.sandbox.posture_judge import GVISOR
from runner.sandbox.probe import Answers, failed, trial_overlay

OLDEST_API = (1, 40)
PROBE_S = 20
PROBE = RunId("checks")
NONCE = "/mnt/nonce"
HOME = "/home/probe"
MORE_RUNTIMES = (
    'install it and name it under "runtimes" in /etc/docker/daemon.json, or unset runtime'
)
DELEGATE = "let systemd delegate memory, pids and cpu of cgroup v2 to the engine's user"
PODMAN = "this is Podman: its API takes no seccomp profile but a file it already has"
NOT_PODMAN = "point DOCKER_HOST at a Docker engine, or use --engine bubblewrap"
SEEN = {True: "sees this machine's files", False: "sees none of this machine's: they are sent"}
LOOK = (
    f"echo nonce=$(cat {NONCE}); echo net=$(sed -n 's/^ *//;s/:.*//p' /proc/net/dev); "
    "echo kernel=$(uname -v)"
)
CHANGE = "echo made > made && rm gone && mkdir fresh && mv fresh renamed && echo overlay=works"
NEST = f"{CODEX}/bin/codex sandbox -P :workspace -- true && echo inner=works"


def examine(engine: DockerEngine) -> tuple[Check, ...]:
    """Cheap questions first; containers are only started when those are answered well."""
    try:
        with engine.connected() as client:
            info, api = engine.info(client), str(client.api_version)
            engine_is_podman = _is_podman(client.version())
    except InfraError as error:
        return (failed("engine", error),)
    if engine_is_podman:
        return (Check(name="engine", ok=False, detail=PODMAN, remedy=NOT_PODMAN),)
    asked = (
        _version(info, api),
        _image(engine),
        _runtime(engine, info),
        _seccomp(info),
        _limits(info),
    )
    if not all(check.ok for check in asked if check.required):
        return asked
    with tempfile.TemporaryDirectory(dir=engine.scratch, ignore_cleanup_errors=True) as folder:
        return (*asked, *_tried(engine, Path(folder).resolve()))


def _is_podman(version: Mapping[str, Any]) -> bool:
    return any(part.get("Name") == "Podman Engine" for part in version.get("Components") or ())


def _version(info: Mapping[str, Any], api: str) -> Check:
    ok = tuple(int(part) for part in api.split(".")) >= OLDEST_API
    detail = f"Docker {info.get('ServerVersion')}, API {api}"
    return Check(name="engine", ok=ok, detail=detail, remedy="" if ok else "install 19.03 or later")


def _image(engine: DockerEngine) -> Check:
    try:
        return Check(name="image", ok=True, detail=f"{engine.image} {engine.usable_image()}")
    except InfraError as error:
        return failed("image", error)


def _runtime(engine: DockerEngine, info: Mapping[str, Any]) -> Check:
    """The one asked for is one the engine has."""
    known = sorted(info.get("Runtimes") or ())
    wanted = engine.runtime or str(info.get("DefaultRuntime") or "")
    ok = engine.runtime is None or engine.runtime in known
    detail = wanted if ok else f"the docker engine has no runtime {wanted}, but {', '.join(known)}"
    remedy = "" if ok else MORE_RUNTIMES
    return Check(name="runtime", ok=ok, detail=detail, remedy=remedy)


def _seccomp(info: Mapping[str, Any]) -> Check:
    ok = any("name=seccomp" in option for option in info.get("SecurityOptions") or ())
    detail = "system calls are filtered" if ok else "this engine filters no system calls"
    return Check(name="seccomp", ok=ok, detail=detail, remedy="" if ok else "enable CONFIG_SECCOMP")


def _limits(info: Mapping[str, Any]) -> Check:
    missing = unenforced(info)
    detail = f"not enforced here: {', '.join(missing)}" if missing else "memory, pids, cpus"
    rootless = "name=rootless" in (info.get("SecurityOptions") or ())
    remedy = DELEGATE if rootless else "mount the memory, pids and cpu control groups"
    told = remedy if missing else ""
    return Check(name="limits", ok=not missing, detail=detail, remedy=told, required=False)


def _tried(engine: DockerEngine, folder: Path) -> tuple[Check, ...]:
    """One container that tries everything; a second, smaller one only to tell what failed."""
    nonce = secrets.token_hex(16)
    seen = folder / "nonce"
    seen.write_text(nonce)
    seen.chmod(0o644)
    overlay = trial_overlay(engine, engine.gid, folder)
    try:
        values, complaint = _probe(engine, seen, overlay)
    except InfraError as error:
        return _told_apart(engine, seen, nonce, error)
    made = overlay.upper / "made"
    owned = made.is_file() and made.stat().st_uid == engine.uid
    return (
        _shares(engine, values, nonce),
        Check(name="network", ok=values.get("net") == "lo", detail=f"sees {values.get('net')}"),
        Check(
            name="overlay",
            ok=owned and values.get("overlay") == "works",
            detail="workspaces are written as expected" if owned else f"not usable: {complaint}",
            remedy="" if owned else "turn userns-remap and rootless mode off for this engine",
        ),
        *_inner(engine, values, complaint),
    )


def _told_apart(
    engine: DockerEngine, seen: Path, nonce: str, error: InfraError
) -> tuple[Check, ...]:
    try:
        values, _ = _probe(engine, seen, None)
    except InfraError as again:
        return (failed("container", again),)
    return (_shares(engine, values, nonce), failed("overlay", error))


def _shares(engine: DockerEngine, values: Mapping[str, str], nonce: str) -> Check:
    """Here, or sent to its volumes: what was given is what a container sees."""
    ok = values.get("nonce") == nonce
    return Check(
        name="shares files",
        ok=ok,
        detail=SEEN[engine.shares] if ok else "a container does not see the files it was given",
        remedy="" if ok else "use an engine of this machine: unset DOCKER_HOST",
    )


def _inner(engine: DockerEngine, values: Mapping[str, str], complaint: str) -> tuple[Check, ...]:
    if engine.codex is None:
        return ()
    ok = values.get("inner") == "works"
    return (
        Check(
            name="inner sandbox",
            ok=ok,
            detail="codex's own sandbox starts" if ok else f"inner sandbox off: {complaint}",
            remedy="" if ok else _remedy(engine, values),
            required=False,
        ),
    )


def _remedy(engine: DockerEngine, values: Mapping[str, str]) -> str:
    """docker's own AppArmor profile forbids every mount; ours does not."""
    if values.get("kernel") == GVISOR:
        return 'set inner_sandbox = "off": it starts in no gVisor, which is a kernel by itself'
    with engine.connected() as client:
        options = engine.info(client).get("SecurityOptions") or ()
    if engine.codex is not None and any("name=apparmor" in option for option in options):
        return f"let AppArmor allow it: {apparmor.load(engine.codex.bubblewrap)}"
    return "allow unprivileged user namespaces on this machine"


def _probe(
    engine: DockerEngine, seen: Path, overlay: Overlay | None
) -> tuple[Mapping[str, str], str]:
    """What a container said, and the last thing it complained of."""
    steps = [LOOK, *([CHANGE] if overlay else []), *([NEST] if overlay and engine.codex else [])]
    spec = SandboxSpec(
        run=PROBE,
        role="probe",
        argv=("/bin/sh", "-c", "\n".join(steps)),
        env={"PATH": engine.path, "HOME": HOME, "CODEX_HOME": HOME},
        walls=Walls(wall_s=PROBE_S, disk_mib=1, entries=100),
        workspace=overlay,
        binds=(Bind(seen, NONCE),),
        scratch=(Scratch("/tmp", 16), Scratch(HOME, 16)),
        nested=True,
        codex=engine.codex is not None,
    )
    heard = Answers()
    ended = engine.run(spec, b"", heard)
    complaints = ended.stderr_tail.strip().splitlines()
    return heard.values(), complaints[-1] if complaints else f"exit status {ended.code}"
