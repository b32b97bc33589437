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
from runner.sandbox.docker import DockerEngine
from runner.sandbox.docker_client import connected
from runner.sandbox.docker_spec import unenforced
from runner.sandbox.probe import Answers, failed, trial_overlay

OLDEST_API = (1, 40)
PROBE_S = 20
PROBE = RunId("checks")
NONCE = "/mnt/nonce"
HOME = "/home/probe"
LOOK = f"echo nonce=$(cat {NONCE}); echo net=$(ls /sys/class/net)"
CHANGE = "echo made > made && rm gone && mkdir fresh && mv fresh renamed && echo overlay=works"
NEST = f"{CODEX}/bin/codex sandbox -P :workspace -- true && echo inner=works"


def examine(engine: DockerEngine) -> tuple[Check, ...]:
    """Cheap questions first; containers are only started when those are answered well."""
    try:
        with connected() as client:
            info, api = engine.info(client), str(client.api_version)
    except InfraError as error:
        return (failed("engine", error),)
    asked = (_version(info, api), _image(engine), _seccomp(info), _limits(info))
    if not all(check.ok for check in asked if check.required):
        return asked
    with tempfile.TemporaryDirectory(dir=engine.scratch, ignore_cleanup_errors=True) as folder:
        return (*asked, *_tried(engine, Path(folder).resolve()))


def _version(info: Mapping[str, Any], api: str) -> Check:
    ok = tuple(int(part) for part in api.split(".")) >= OLDEST_API
    detail = f"Docker {info.get('ServerVersion')}, API {api}"
    return Check(name="engine", ok=ok, detail=detail, remedy="" if ok else "install 19.03 or later")


def _image(engine: DockerEngine) -> Check:
    try:
        return Check(name="image", ok=True, detail=f"{engine.image} {engine.usable_image()}")
    except InfraError as error:
        return failed("image", error)


def _seccomp(info: Mapping[str, Any]) -> Check:
    ok = any("name=seccomp" in option for option in info.get("SecurityOptions") or ())
    detail = "system calls are filtered" if ok else "this engine filters no system calls"
    return Check(name="seccomp", ok=ok, detail=detail, remedy="" if ok else "enable CONFIG_SECCOMP")


def _limits(info: Mapping[str, Any]) -> Check:
    missing = unenforced(info)
    detail = f"not enforced here: {', '.join(missing)}" if missing else "memory, pids, cpus"
    remedy = "mount the memory, pids and cpu control groups" if missing else ""
    return Check(name="limits", ok=not missing, detail=detail, remedy=remedy, required=False)


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
        _shares(values, nonce),
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
    return (_shares(values, nonce), failed("overlay", error))


def _shares(values: Mapping[str, str], nonce: str) -> Check:
    ok = values.get("nonce") == nonce
    return Check(
        name="shares files",
        ok=ok,
        detail="sees this machine's files" if ok else "the engine does not see the runner's files",
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
            remedy="" if ok else "allow unprivileged user namespaces on this machine",
            required=False,
        ),
    )


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
        walls=Walls(wall_s=PROBE_S),
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
