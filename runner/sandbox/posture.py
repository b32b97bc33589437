"""The posture self-test: what an agent's sandbox guarantees, looked at from inside one.

1. A sandbox of the agent's shape is made around two scripts that look and try. 2. Meanwhile this
process listens where nothing inside may reach it. 3. The same scripts run as a plain process: when
the judge finds no fault with that, it can find none at all, and nothing is believed. 4. What was
told is judged, together with what the host sees of the dead sandbox's files.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner import process
from runner.errors import InfraError
from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import (
    BROKER,
    SOCKETS,
    Bind,
    Check,
    Exit,
    Overlay,
    SandboxSpec,
    Scratch,
    Walls,
)
from runner.remove import remove_tree
from runner.sandbox import posture_look, posture_tell, posture_try
from runner.sandbox.posture_asked import COVERS, MADE, ROOM, WALLS, Host, questions
from runner.sandbox.posture_judge import Facts
from runner.sandbox.posture_table import judge, objections
from runner.sandbox.probe import Answers, failed

ETC = "/etc/codex"
HOME = "/codex-home"
COVERED = "covered"
"""A file in every cover."""
CONTROL = ("clean environment", "no network", "separation", "protected paths")
"""Guarantees no plain process has, wherever the runner itself lives."""
CONTROL_FACTS = (
    *("environment", "namespaces", "machine", "interfaces", "routes", "reach", "unix_sockets"),
    "protected",
)
"""What they need; no more is tried outside of a sandbox."""
CANARY = "CODEX_RUNNER_CANARY"


def examine(engine: Engine, scratch: Path, nested: bool) -> tuple[Check, ...]:
    """Every guarantee; `nested` as the agent's sandbox is going to be.

    `scratch` is cleaned up by others when this process is killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="posture-", dir=scratch)).resolve()
    try:
        with listening() as host, ThreadPoolExecutor(1) as pool:
            control = pool.submit(_control, folder / "control", host)
            checks = judged_inside(engine, folder / "sandbox", host, nested)
            return (_able_to_fail(control.result()), *checks)
    except InfraError as error:
        return (failed("posture", error),)
    finally:
        remove_tree(folder)


def judged_inside(engine: Engine, folder: Path, host: Host, nested: bool) -> tuple[Check, ...]:
    """A sandbox of the agent's shape, looked at from inside; its files are left in `folder`.

    gVisor gets a roomier one, and to pass its memory limit one more: it ends of passing one.
    """
    try:
        found = _looked(engine, folder / "first", questions(host, nested), WALLS, nested)
    except InfraError:
        found = None
    if found is None or found.cut_short:
        asked = questions(host, nested, walls=ROOM)
        found = _looked(engine, folder / "roomy", asked, ROOM, nested)
        if found.told and found.cut_short:
            asked["only"] = ("memory",)
            last = _looked(engine, folder / "memory", asked, ROOM, nested)
            found = replace(found, told={**found.told, **last.told}, alone=last.exit)
    return judge(found)


def _looked(
    engine: Engine, folder: Path, asked: Mapping[str, object], walls: Walls, nested: bool
) -> Facts:
    spec = _sandbox(engine, folder, asked, walls, nested)
    heard = Answers()
    with _doors(folder / "broker"):
        ended = engine.run(spec, b"", heard)
    assert spec.workspace is not None
    made = spec.workspace.upper / MADE
    return facts(
        heard.out,
        spec=spec,
        exit=ended,
        marker=str(folder),
        owner=made.lstat().st_uid if made.exists() else None,
        changed=tuple(_changed(spec.workspace)),
    )


def facts(said: bytes, **seen: Any) -> Facts:
    """What the scripts printed, beside what the host has `seen`; other lines are nobody's."""
    told: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    for line in said.decode(errors="replace").splitlines():
        try:
            name, value, *why = json.loads(line)
        except (ValueError, TypeError):
            continue
        told |= {} if why else {name: value}
        unknown |= {name: str(why[0])} if why else {}
    own = {"namespaces": posture_look.namespaces({}), "machine": posture_look.machine({})}
    return Facts(told=told, unknown=unknown, host=own, **seen)


def scripts(folder: Path, asked: Mapping[str, object]) -> None:
    """The scripts and what they are asked, as files in `folder`."""
    for module in (posture_look, posture_tell, posture_try):
        source = Path(module.__file__ or "")
        (folder / source.name).write_bytes(source.read_bytes())
    (folder / "asked.json").write_text(json.dumps(asked))


def _sandbox(
    engine: Engine, folder: Path, asked: Mapping[str, object], walls: Walls, nested: bool
) -> SandboxSpec:
    etc, broker = _made(folder / "etc"), _made(folder / "broker")
    scripts(etc, asked)
    tell = f'"$0" -I -S {ETC}/posture_tell.py'
    run = [f"{tell} posture_{part} {ETC}/asked.json" for part in ("look", "try")]
    return SandboxSpec(
        run=RunId("posture"),
        role="probe",
        argv=("/bin/sh", "-c", " && ".join(run), engine.python),
        env={"PATH": engine.path, "HOME": HOME, "CODEX_HOME": HOME, "LANG": "C.UTF-8"},
        walls=walls,
        workspace=_workspace(engine, folder),
        binds=(Bind(etc, ETC), Bind(broker, BROKER)),
        scratch=(Scratch("/tmp", 1024), Scratch(HOME, 256)),
        nested=nested,
        codex=True,
    )


def _workspace(engine: Engine, folder: Path) -> Overlay:
    lower, upper, work = (_made(folder / name) for name in ("lower", "upper", "work"))
    cover = _made(folder / "cover")
    (cover / COVERED).write_text(COVERED)
    for name in COVERS:
        _made(lower / name)
    for path in (lower, *lower.iterdir(), upper, work, cover, cover / COVERED):
        os.chown(path, engine.uid, -1)
    covers = dict.fromkeys(COVERS, cover)
    return Overlay((lower,), upper, work, covers, attributes=engine.attributes)


def _changed(overlay: Overlay) -> Iterator[str]:
    """Protected names whose cover, or whose place below it, is not as it was made."""
    for name, cover in overlay.covers.items():
        intact = [path.name for path in cover.iterdir()] == [COVERED]
        if not intact or (cover / COVERED).read_text() != COVERED:
            yield name
        for layer in (overlay.upper, *overlay.lowers):
            place = layer / name
            if os.path.lexists(place) and (not place.is_dir() or any(place.iterdir())):
                yield f"{name} below its cover"


def _control(folder: Path, host: Host) -> tuple[str, ...]:
    """Guarantees of `CONTROL` that the judge believes a plain process of this machine to have."""
    for name in COVERS:
        _made(folder / "work" / name)
    asked = {**questions(host, True, str(folder / "work")), "only": CONTROL_FACTS}
    scripts(folder, asked)
    spec = SandboxSpec(RunId("control"), "probe", (), {"PATH": os.defpath}, WALLS)
    plain = (sys.executable, "-I", "-S", folder / "posture_tell.py")
    said = b"".join(
        process.run(
            [*plain, f"posture_{part}", folder / "asked.json"],
            env={**spec.env, CANARY: "1"},
            timeout_s=WALLS.wall_s,
        ).stdout
        for part in ("look", "try")
    )
    ended = Exit(code=0, duration_ms=0)
    found = facts(said, spec=spec, exit=ended, marker=str(folder), owner=0, changed=())
    return tuple(name for name in CONTROL if not objections(name, found)[0])


def _able_to_fail(believed: Sequence[str]) -> Check:
    ok = not believed
    detail = (
        "finds a plain process wanting" if ok else f"a plain process passes: {', '.join(believed)}"
    )
    return Check(name="self-test", ok=ok, detail=detail, remedy="" if ok else "report this")


@contextmanager
def listening() -> Iterator[Host]:
    """A TCP port and an abstract socket of this machine, open for as long as this is."""
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as abstract:
        tcp.bind(("127.0.0.1", 0))
        name = f"codex-runner-{secrets.token_hex(8)}"
        abstract.bind(f"\0{name}")
        for listener in (tcp, abstract):
            listener.listen()
        yield Host(tcp.getsockname()[1], name)


@contextmanager
def _doors(directory: Path) -> Iterator[None]:
    """Where broker and gate would listen; bound through a descriptor: paths must be short."""
    number = os.open(directory, os.O_PATH)
    with ExitStack() as stack:
        stack.callback(os.close, number)
        for name in SOCKETS:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(f"/proc/self/fd/{number}/{name}")
            listener.listen()
            (directory / name).chmod(0o666)
        yield


def _made(path: Path) -> Path:
    path.mkdir(parents=True)
    path.chmod(0o755)
    return path
