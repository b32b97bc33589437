"""Limits of memory, processes and CPU time by control groups, where this runner may make them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.records.sandbox import Walls

MIB = 1024 * 1024
PREFIX = "codex-runner-"
CPU_PERIOD_US = 100_000
REMOVE_S = 2.0

Parents = Mapping[str, tuple[Path, bool]]
"""By controller: where a group can be made, and whether that is the unified hierarchy (v2)."""


@dataclass(frozen=True, slots=True)
class Group:
    """The control groups of one sandbox, by controller; empty when none could be made."""

    directories: Mapping[str, Path] = field(default_factory=dict)
    unified: Set[str] = frozenset()

    def add(self, pid: int) -> None:
        """Raises InfraError: the kernel refused to move the process."""
        for directory in {*self.directories.values()}:
            try:
                (directory / "cgroup.procs").write_text(str(pid))
            except OSError as error:
                raise InfraError(
                    f"cannot put a sandbox into {directory}: {error.strerror}",
                    "look at the control groups of this machine",
                ) from error

    def joined(self, other: Group) -> Group:
        return Group({**self.directories, **other.directories}, self.unified | other.unified)

    def out_of_memory(self) -> bool:
        """Whether the kernel killed a process of the group for the group's limit."""
        directory = self.directories.get("memory")
        if directory is None:
            return False
        name = "memory.events" if "memory" in self.unified else "memory.oom_control"
        try:
            said = (directory / name).read_text()
        except OSError:  # removed by who made it
            return False
        events = dict(line.split() for line in said.splitlines())
        return int(events.get("oom_kill", 0)) > 0

    def remove(self) -> None:
        """Dead processes leave their group a moment after they are reaped."""
        deadline = time.monotonic() + REMOVE_S
        for directory in {*self.directories.values()}:
            while not _removed(directory) and time.monotonic() < deadline:
                time.sleep(0.001)


@contextmanager
def group(run: str, walls: Walls, controllers: Set[str]) -> Iterator[Group]:
    """A group per controller of `controllers` that can be limited here, others left out; removed
    on leaving. What runners that were killed left behind goes first."""
    parents = _parents()
    _sweep({parent for parent, _ in parents.values()})
    made = _create(run, walls, {name: parents[name] for name in controllers & parents.keys()})
    try:
        yield made
    finally:
        made.remove()


def entered(pid: int, walls: Walls, controllers: Set[str]) -> Group:
    """The group of the unified hierarchy that somebody else put `pid` into: those of `controllers`
    that it limits by `walls`."""
    path = next((path for _, kind, path in _fields(f"/proc/{pid}/cgroup", ":") if not kind), "/")
    places = [
        _inside(mounted, root, path)
        for _, _, _, root, mounted, *rest in _fields("/proc/self/mountinfo", " ")
        if rest[-3] == "cgroup2"
    ]
    limits = {name: _settings(name, walls, True) for name in controllers}
    holding = {
        name: place for place in places for name in controllers if _holds(place, limits[name])
    }
    return Group(holding, frozenset(holding))


def _holds(directory: Path, settings: Mapping[str, str]) -> bool:
    try:
        return all(
            (directory / file).read_text().strip() == text for file, text in settings.items()
        )
    except OSError:
        return False


def _create(run: str, walls: Walls, parents: Parents) -> Group:
    name = f"{PREFIX}{run}.{os.getpid()}.{secrets.token_hex(4)}"
    made: dict[str, Path] = {}
    unified: set[str] = set()
    for controller, (parent, is_unified) in parents.items():
        if _make(parent / name, controller, walls, is_unified):
            made[controller] = parent / name
            unified |= {controller} if is_unified else set()
    return Group(made, unified)


def _sweep(parents: Set[Path]) -> None:
    """Groups of a process that lives are let alone, even before a sandbox is put into them."""
    for parent in parents:
        for left in parent.glob(f"{PREFIX}*"):
            pid = left.name.rpartition(".")[0].rpartition(".")[2]
            if not Path("/proc", pid).exists():
                _removed(left)


def _make(directory: Path, controller: str, walls: Walls, unified: bool) -> bool:
    try:
        directory.mkdir(exist_ok=True)
        for file, value in _settings(controller, walls, unified).items():
            (directory / file).write_text(value)
        for file, value in _swap(controller, walls, unified).items():
            with suppress(FileNotFoundError):  # a kernel without swap accounting
                (directory / file).write_text(value)
    except OSError:
        _removed(directory)
        return False
    return True


def _settings(controller: str, walls: Walls, unified: bool) -> Mapping[str, str]:
    memory_bytes, quota_us = str(walls.memory_mib * MIB), walls.cpus * CPU_PERIOD_US
    if controller == "pids":
        return {"pids.max": str(walls.pids)}
    if controller == "memory":
        return {"memory.max" if unified else "memory.limit_in_bytes": memory_bytes}
    if unified:
        return {"cpu.max": f"{quota_us} {CPU_PERIOD_US}"}
    return {"cpu.cfs_period_us": str(CPU_PERIOD_US), "cpu.cfs_quota_us": str(quota_us)}


def _swap(controller: str, walls: Walls, unified: bool) -> Mapping[str, str]:
    """No swap on top of the memory; v1 counts both together."""
    if controller != "memory":
        return {}
    if unified:
        return {"memory.swap.max": "0"}
    return {"memory.memsw.limit_in_bytes": str(walls.memory_mib * MIB)}


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _parents() -> Parents:
    """Below the runner's own groups, so that their limits go on holding."""
    own = {kind: path for _, kind, path in _fields("/proc/self/cgroup", ":")}
    found: dict[str, tuple[Path, bool]] = {}
    for _, _, _, root, mounted, *rest in _fields("/proc/self/mountinfo", " "):
        kind, _, options = rest[-3:]
        if kind == "cgroup":
            for controller in {"memory", "pids", "cpu"} & {*options.split(",")}:
                names = next((n for n in own if controller in n.split(",")), None)
                parent = _inside(mounted, root, own.get(names or "", "/"))
                if os.access(parent, os.W_OK):
                    found[controller] = (parent, False)
        elif kind == "cgroup2":
            found.update(_delegated(Path(mounted), _inside(mounted, root, own.get("", "/"))))
    return found


def _delegated(mounted: Path, own: Path) -> Parents:
    """The nearest group at or above `own` that may have limited children made by this process."""
    for group in (own, *own.parents):
        if not group.is_relative_to(mounted):
            break
        if os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK):
            enabled = (group / "cgroup.subtree_control").read_text().split()
            if enabled:
                return {
                    name: (group, True) for name in ("memory", "pids", "cpu") if name in enabled
                }
    return {}


def _inside(mounted: str, root: str, path: str) -> Path:
    """Where group `path` is seen when `root` of the hierarchy is mounted at `mounted`."""
    if path.startswith("/..") or not Path(path).is_relative_to(root):
        return Path(mounted)
    return Path(mounted) / Path(path).relative_to(root)


def _fields(file: str, separator: str) -> Iterator[list[str]]:
    for line in Path(file).read_text().splitlines():
        yield line.split(separator, 2) if separator == ":" else line.split(separator)
