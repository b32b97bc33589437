"""What the bubblewrap engine needs of this machine, tried with a real sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from runner import process
from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import CODEX, Check, Exit, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox import apparmor
from runner.sandbox.bubblewrap import BubblewrapEngine
from runner.sandbox.bubblewrap_tree import SETPRIV
from runner.sandbox.probe import Answers, failed, trial_overlay

PROBE = RunId("checks")
PROBE_S = 20
HOME = "/home/probe"
LOOK = """
while read -r name value; do
    [ "$name" = Seccomp: ] && echo "seccomp=$value"
done </proc/self/status
"$1" -I -S -c 'print("python=works")'
"""
CHANGE = "echo made >made && rm gone && echo overlay=works"
NEST = f"{CODEX}/bin/codex sandbox -P :workspace -- true && echo inner=works"
SWITCHES = {
    "kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel/unprivileged_userns_clone": ("0", "1"),
    "user/max_user_namespaces": ("0", "15000"),
}
"""Settings in /proc/sys that forbid user namespaces: the value that does, the one to set."""


def examine(engine: BubblewrapEngine) -> tuple[Check, ...]:
    """One sandbox that tries everything; a smaller one only to tell what failed."""
    try:
        version = process.run([engine.bubblewrap, "--version"], timeout_s=10).text()
    except InfraError as error:
        return (failed("bubblewrap", error),)
    present = Check(name="bubblewrap", ok=True, detail=f"{version}, {engine.bubblewrap}")
    if engine.root and not engine.shows(SETPRIV):
        remedy = "install util-linux, or run as an ordinary user"
        return present, Check(name="setpriv", ok=False, detail=f"no {SETPRIV}", remedy=remedy)
    with tempfile.TemporaryDirectory(dir=engine.scratch, ignore_cleanup_errors=True) as folder:
        return present, *_tried(engine, Path(folder).resolve())


def _tried(engine: BubblewrapEngine, folder: Path) -> tuple[Check, ...]:
    overlay = trial_overlay(engine, engine.gid, folder)
    try:
        said, ended = _probe(engine, overlay)
    except InfraError as error:
        return _told_apart(engine, error)
    finally:
        _removable(overlay)
    python = said.get("python") == "works"
    return (
        Check(name="user namespaces", ok=True, detail="sandboxes start"),
        _overlaid(said, ended),
        Check(name="seccomp", ok=said.get("seccomp") == "2", detail=f"mode {said.get('seccomp')}"),
        Check(
            name="python3",
            ok=python,
            detail=engine.python if python else f"{engine.python}: {_complaint(ended)}",
            remedy="" if python else "install python3 below /usr",
        ),
        _limits(ended),
        _inner(engine, said, ended),
    )


def _told_apart(engine: BubblewrapEngine, error: InfraError) -> tuple[Check, ...]:
    try:
        _probe(engine, None)
    except InfraError as again:
        detail = again.problem
        remedy = _remedy(engine)
        return (Check(name="user namespaces", ok=False, detail=detail, remedy=remedy),)
    return (
        Check(name="user namespaces", ok=True, detail="sandboxes start"),
        Check(name="overlay", ok=False, detail=error.problem, remedy=_OVERLAY),
    )


_DELEGATE = "run in a delegated control group: systemd-run --user --scope -p Delegate=yes ..."
_OVERLAY = "use Linux 5.11 or later, and a state directory on ext4, xfs, btrfs or tmpfs"


def _overlaid(said: Mapping[str, str], ended: Exit) -> Check:
    ok = said.get("overlay") == "works"
    detail = "workspaces are written as expected" if ok else _complaint(ended)
    return Check(name="overlay", ok=ok, detail=detail, remedy="" if ok else _OVERLAY)


def _limits(ended: Exit) -> Check:
    missing = ", ".join(ended.unenforced)
    return Check(
        name="limits",
        ok=not missing,
        detail=f"not enforced here: {missing}" if missing else "memory, pids, cpus",
        remedy=_DELEGATE if missing else "",
        required=False,
    )


def _inner(engine: BubblewrapEngine, said: Mapping[str, str], ended: Exit) -> Check:
    ok = said.get("inner") == "works"
    return Check(
        name="inner sandbox",
        ok=ok,
        detail="codex's own sandbox starts" if ok else f"inner sandbox off: {_complaint(ended)}",
        remedy="" if ok else _remedy(engine),
        required=False,
    )


def _remedy(engine: BubblewrapEngine) -> str:
    """By what this machine says of its settings."""
    for name, (forbidding, allowing) in SWITCHES.items():
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == forbidding and "apparmor" in name and engine.codex is not None:
            return f"let AppArmor allow it: {apparmor.load(engine.codex.bubblewrap)}"
        if value == forbidding:
            return f"as root: sysctl {name.replace('/', '.')}={allowing}"
    return "allow user namespaces and mounts here; containers forbid them unless told otherwise"


def _probe(engine: BubblewrapEngine, overlay: Overlay | None) -> tuple[Mapping[str, str], Exit]:
    steps = (LOOK, CHANGE, NEST) if overlay else (LOOK,)
    spec = SandboxSpec(
        run=PROBE,
        role="probe",
        argv=("/bin/sh", "-c", "\n".join(steps), "sh", engine.python),
        env={"PATH": engine.path, "HOME": HOME, "CODEX_HOME": HOME},
        walls=Walls(wall_s=PROBE_S, cpus=1, disk_mib=1, entries=100),
        workspace=overlay,
        scratch=(Scratch("/tmp", 16), Scratch(HOME, 16)),
        nested=True,
        codex=True,
    )
    said = Answers()
    ended = engine.run(spec, b"", said)
    return said.values(), ended


def _removable(overlay: Overlay) -> None:
    """overlayfs leaves a directory there that not even its owner may list."""
    left = overlay.work / "work"
    if left.exists():
        left.chmod(0o700)


def _complaint(ended: Exit) -> str:
    lines = ended.stderr_tail.strip().splitlines()
    return lines[-1] if lines else f"exit status {ended.code}"
