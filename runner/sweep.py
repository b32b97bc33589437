"""Cleans up after runners that were killed, and seals their runs. Never touches a living one's.

Who is dead is decided by the lock of a lease (`runner.live`); what belongs to it by the run's
number and by the name of its process, which are on everything that was made.
1. Containers and volumes first: they use the files. 2. Processes. 3. Control groups and mounts.
4. The run is sealed. 5. Its directory goes, and its lease when nothing is left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner import abandoned, live, strays
from runner.errors import InfraError, RunnerError
from runner.ledger.folder import RunFolder, folders
from runner.ledger.recording import UNRECORDED
from runner.lifetime import standing
from runner.live import LIVE, Lease
from runner.process import run
from runner.remove import remove_tree
from runner.report.markdown import report_markdown
from runner.sandbox import cgroup_leftovers, orphans
from runner.workspace.snapshot import CARD

LOCK = ".sweep"
SETTLE_S = 1.0
"""What a docker engine was asked for by a runner that died then, it has made by now."""
SHARED = (*("runs/.new-*", "keys/.new-*", "keys/.tmp-*"), *("scanner/digest.key.*", "tried.[0-9]*"))
"""Half-written files in places that all runs share."""


@dataclass(slots=True)
class Swept:
    """What a sweep did; one line each."""

    removed: list[str] = field(default_factory=list)
    sealed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What should go and could not."""
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def removing(self, what: str) -> Iterator[None]:
        """What fails is told, and does not keep the rest from being done."""
        try:
            yield
        except RunnerError as error:
            self.left.append(f"{what}: {error.problem}")
        except OSError as error:
            self.left.append(f"{what}: {error.strerror}")
        else:
            self.removed.append(what)


def tidy(state: Path) -> Swept | None:
    """What a command does first. Unless a runner died, that takes no time: None."""
    if False not in live.found(state / LIVE):
        return None
    swept = Swept()
    with live.exclusive(state / LOCK):
        leases = live.dead(state / LIVE)
        if leases:
            _clean(state, leases, swept, settle_s=0)
    return swept


def sweep(state: Path) -> Swept:
    """Everything that tells of a dead runner. What another sweep is about is done afterwards, too.

    Raises:
        InfraError: the state directory cannot be read.
    """
    swept = Swept()
    if not state.is_dir():
        return swept
    with live.exclusive(state / LOCK):
        swept.notes += _strange(state)
        _clean(state, live.dead(state / LIVE), swept, settle_s=SETTLE_S)
        for folder in folders(state):
            match _condition(folder, swept):
                case "abandoned":
                    _seal(folder, swept)
                case "sealed" if (folder.path / UNRECORDED).exists():
                    _seal(folder, swept)
                case "running":
                    swept.notes.append(f"run {folder.run}: its runner is alive, or cannot be seen")
        _remove_shared(state, swept)
    return swept


def look(state: Path) -> Swept:
    """The same without touching anything: `removed` and `sealed` are what would be."""
    swept = Swept()
    leases = live.dead(state / LIVE)
    names, owners = _whose(leases)
    try:
        from runner.sandbox.docker_leftovers import leftovers

        found = leftovers()
        swept.removed += found.abandoned
        swept.notes += [f"{name}: its owner cannot be seen from here" for name in found.hidden]
    except InfraError as error:
        swept.notes.append(_not_looked_at(error))
    swept.removed += [f"process {pid}" for pid, _ in _strays(owners)]
    swept.removed += [f"control group {group}" for group in cgroup_leftovers.of(names, owners)]
    swept.removed += [f"mount {target}" for target in _mounts(names)]
    swept.removed += [f"directory {lease.path}" for lease in leases]
    for lease in leases:
        lease.release()
    swept.notes += _strange(state)
    known = folders(state)
    swept.sealed += [each.run for each in known if _condition(each, swept) == "abandoned"]
    return swept


def _clean(state: Path, leases: Sequence[Lease], swept: Swept, settle_s: float) -> None:
    names, owners = _whose(leases)
    before = len(swept.left)
    _empty_docker(state, leases, swept, settle_s)
    for pid, meant in _strays(owners):
        with swept.removing(f"process {pid}"):
            strays.end(pid, meant)
    for directory in cgroup_leftovers.of(names, owners):
        with swept.removing(f"control group {directory}"):
            cgroup_leftovers.remove(directory)
    for target in _mounts(names):
        with swept.removing(f"mount {target}"):
            _unmount(target)
    shared_left = len(swept.left) > before
    for lease in leases:
        _end(RunFolder(state / "runs" / lease.path.name), lease, swept, shared_left)


def _end(folder: RunFolder, lease: Lease, swept: Swept, shared_left: bool) -> None:
    before = len(swept.left)
    with swept.removing(f"directory {lease.path}"):
        remove_tree(lease.path)
    if folder.path.is_dir() and not folder.path.is_symlink():
        _seal(folder, swept)
    elif not folder.path.is_symlink():
        _tidy(folder, swept)
    if shared_left or len(swept.left) > before:
        lease.release()
    else:
        lease.close()


def _empty_docker(state: Path, leases: Sequence[Lease], swept: Swept, settle_s: float) -> None:
    from runner.sandbox.docker import DockerEngine

    engine = DockerEngine(None)
    try:
        count = engine.reap()
        if leases and settle_s:
            time.sleep(settle_s)
            count += engine.reap()
    except InfraError as error:
        plans = (abandoned.plan_of(RunFolder(state / "runs" / each.path.name)) for each in leases)
        needed = any(plan is not None and plan.engine == "docker" for plan in plans)
        (swept.left if needed else swept.notes).append(_not_looked_at(error))
    else:
        if count:
            swept.removed.append(f"docker: {count} containers and volumes")


def _not_looked_at(error: InfraError) -> str:
    return f"docker: {error.problem}; what it may hold was not looked at"


def _strays(owners: set[str]) -> list[tuple[int, strays.Is]]:
    kinds: tuple[strays.Is, ...] = (strays.works_for(owners), orphans.is_orphan)
    return [(pid, meant) for pid in strays.pids() for meant in kinds if meant(pid)]


def _whose(leases: Sequence[Lease]) -> tuple[set[str], set[str]]:
    """Numbers of the runs, and names of their processes. A living one's is none, lock or not."""
    owners = {lease.owner for lease in leases if lease.owner and standing(lease.owner) != "alive"}
    return {lease.path.name for lease in leases}, owners


def _mounts(names: set[str]) -> list[str]:
    """What an engine that went down left mounted: no other mount is made on this side."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    ours = [row for row in rows if any(f"/{LIVE}/{name}/" in row for name in names)]
    return [row.split(" ")[4].encode().decode("unicode_escape") for row in reversed(ours)]


def _unmount(target: str) -> None:
    done = run(["umount", "--", target])
    if done.code:
        raise InfraError(done.error(), "unmount it as root")


def _strange(state: Path) -> list[str]:
    return [f"{path}: no lease of yours, left alone" for path in live.strange(state / LIVE)]


def _tidy(folder: RunFolder, swept: Swept) -> None:
    try:
        folder.tidy()
    except RunnerError as error:
        swept.left.append(f"run {folder.run}: {error.problem}")


def _condition(folder: RunFolder, swept: Swept) -> str | None:
    try:
        return folder.condition()
    except RunnerError as error:
        swept.left.append(f"run {folder.run}: {error.problem}")
        return None


def _seal(folder: RunFolder, swept: Swept) -> None:
    try:
        was = folder.condition()
        abandoned.seal(RunFolder(folder.path, report_markdown))
    except RunnerError as error:
        swept.left.append(f"run {folder.run} is not sealed: {error.problem}")
    else:
        if was != "sealed":
            swept.sealed.append(folder.run)
        if (folder.path / UNRECORDED).exists():
            swept.left.append(f"run {folder.run}: its end is not in the ledger, the intent is open")


def _remove_shared(state: Path, swept: Swept) -> None:
    (state / LIVE).mkdir(mode=0o700, exist_ok=True)
    with live.exclusive(state / LIVE / live.GUARD):
        if True in live.found(state / LIVE):  # somebody may be writing one of them
            return
        paths = [path for pattern in SHARED for path in state.glob(pattern)]
        paths += [path for path in state.glob("snapshots/*/*") if _half(path)]
        for path in paths:
            with swept.removing(str(path)):
                if path.is_dir():
                    remove_tree(path)
                else:
                    path.unlink()


def _half(snapshot: Path) -> bool:
    """A cached checkout whose removal was interrupted."""
    return snapshot.is_dir() and not (snapshot / CARD).exists()
