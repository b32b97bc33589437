"""What the facts from inside a sandbox must be. Pure: facts in, objections out.

A fact that is missing is an objection: what could not be looked at is not enforced.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.records.sandbox import BROKER, SOCKETS, WORK, Exit, SandboxSpec

EMPTY = "0" * 16
"""A capability set."""
SETS = ("CapEff", "CapPrm", "CapInh", "CapAmb")
"""Of every process; the bounding set is the own one's alone."""
REFUSED = frozenset({"EPERM", "EACCES", "ENOSYS"})
UNSUPPORTED = frozenset({"EAFNOSUPPORT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT"})
"""Enough of gVisor; of Linux it only says: not loaded yet."""
GVISOR = "#1 SMP Sun Jan 10 15:06:54 PST 2016"
"""What gVisor calls itself. Its kernel is a process without privileges on this machine, so what it
implements, or does not tell of privileges, is no way to this machine's kernel."""
PANIC = 2
"""What gVisor's kernel ends with when this machine refuses it a thread."""
SIGKILLED = 137
"""As the engine's host kills it for memory; not every engine notices why."""
ITS_DEVICES = frozenset({"fuse", "net/tun"})
"""Of gVisor's own making."""
KILLED = frozenset({"signal 31", "signal 11"})
"""SIGSYS by the filter, SIGSEGV by a kernel without the interface."""
SEPARATE = ("ipc", "mnt", "net", "pid", "uts")
"""Namespaces; docker keeps the host's user namespace unless the engine remaps."""
UNREACHABLE = frozenset({"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL"}) | {
    *("ECONNREFUSED", "EPERM", "EAFNOSUPPORT")
}
BY_ENGINES = frozenset({"PATH", "HOME", "HOSTNAME", "PWD", "SHLVL", "_"})
"""Names that engines and shells give their own processes."""
DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts/ptmx"})
KERNEL_MOUNTS = ("/proc", "/dev", "/sys/fs/cgroup")
"""What is writable there is tried file by file."""
STANDARD = frozenset({"0", "1", "2"})
INERT = ("pipe:", "socket:", "host:", "/dev/null")
UNOPENABLE = "anon_inode:"
"""Cannot be opened through /proc; bubblewrap keeps one."""


class UnknownError(Exception):
    """A fact is missing; the text says why."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sandbox said (`told`, and in `unknown` why not) and what the host saw of it."""

    spec: SandboxSpec
    told: Mapping[str, Any]
    unknown: Mapping[str, str]
    exit: Exit
    host: Mapping[str, Any]
    """The same facts of the runner's own process: `namespaces`, `machine`."""
    marker: str
    """A path of this machine that nothing inside may know."""
    owner: int | None
    """Host uid of a file the sandbox made; None = it made none."""
    changed: tuple[str, ...]
    """Protected files that were changed, as the host sees them."""
    alone: Exit | None = None
    """How a sandbox ended that did nothing but pass its memory limit, where one was needed."""

    def __getitem__(self, name: str) -> Any:
        if self.told.get(name) is not None:
            return self.told[name]
        raise UnknownError(self.unknown.get(name, f"nothing was said of {name}"))

    @property
    def gvisor(self) -> bool:
        return bool(self["machine"]["kernel"] == GVISOR)

    @property
    def said_gvisor(self) -> bool:
        """`gvisor`, and no objection where nothing was said."""
        machine = self.told.get("machine")
        return isinstance(machine, Mapping) and machine.get("kernel") == GVISOR

    @property
    def cut_short(self) -> bool:
        """gVisor lives within its sandbox's limits: what passes one ends it, or it never starts."""
        return "machine" not in self.told or (self.said_gvisor and "memory" not in self.told)


Objections = Iterator[str]


def environment(facts: Facts) -> Objections:
    found = {**facts["environment"]}
    if found.get("PWD") == facts.spec.cwd:
        del found["PWD"]  # engines tell the working directory
    wanted = dict(facts.spec.env)
    if added := found.keys() - wanted.keys():
        yield f"adds {_list(added)}"
    if lost := {name for name in wanted if found.get(name) != wanted[name]}:
        yield f"changes or lacks {_list(lost)}"


def processes(facts: Facts) -> Objections:
    """Everybody's environment, command line and descriptors, as far as they can be read."""
    for name, seen in facts["processes"].items():
        if extra := {*(seen["names"] or ())} - facts.spec.env.keys() - BY_ENGINES:
            yield f"process {name} has {_list(extra)} in its environment"
        if facts.marker in (seen["argv"] or ""):
            yield f"process {name} tells a path of this machine"
        for number, target in (seen["files"] or {}).items():
            harmless = number in STANDARD and target.startswith(INERT)
            if not harmless and not target.startswith(UNOPENABLE):
                yield f"process {name} has {target} open as {number}"
    if streams := facts["terminal"]["streams"]:
        yield f"streams {_list(map(str, streams))} are a terminal"
    if not facts["terminal"]["controlling"]:
        yield "there is a controlling terminal"


def network(facts: Facts) -> Objections:
    if others := {*facts["interfaces"]} - {"lo"}:
        yield f"has interfaces {_list(others)}"
    if facts["routes"]:
        yield f"has {len(facts['routes'])} routes"
    for where, error in facts["reach"].items():
        if error not in UNREACHABLE:
            yield f"{where} can be reached ({error or 'it answers'})"
    if facts["unix_sockets"]:
        yield f"sees {len(facts['unix_sockets'])} sockets of others"


def families(facts: Facts) -> Objections:
    fine = REFUSED | UNSUPPORTED if facts.gvisor else REFUSED
    for name, error in facts["families"].items():
        if error not in fine:
            yield f"{name}: {error or 'can be made'}"


def calls(facts: Facts) -> Objections:
    for name, error in facts["calls"].items():
        if not error or (error not in REFUSED and not facts.gvisor):
            yield f"{name}: {error or 'succeeds'}"
    for name, ended in facts["interfaces_32"].items():
        if name == "x86_64 getpid":
            if ended != "answers":  # the control: code made this way does run
                yield f"{name}: {ended}"
        elif ended not in KILLED and not (facts.gvisor and ended == "refuses"):
            yield f"{name}: {ended}"


def privileges(facts: Facts) -> Objections:
    for name, seen in facts["processes"].items():
        status = seen["status"]
        who = "" if name == "self" else f"process {name}: "
        if not facts.gvisor and status["NoNewPrivs"] != "1":
            yield f"{who}may gain privileges"
        if status["Seccomp"] != "2":
            yield f"{who}system calls are not filtered"
        for kind in {*SETS} & status.keys() if facts.gvisor else SETS:
            if status[kind] != EMPTY:
                yield f"{who}{kind} {status[kind]}"
    own = facts["processes"]["self"]["status"]
    if own["CapBnd"] != EMPTY:
        yield f"CapBnd {own['CapBnd']}"
    if "0" in (*own["Uid"].split(), *own["Groups"].split()):
        yield f"is user {own['Uid'].split()[0]} in groups {own['Groups']}"
    if facts.owner is None:
        raise UnknownError("it could not write to its workspace")
    if facts.owner == 0:
        yield "is root on this machine"


def separation(facts: Facts) -> Objections:
    own, host = facts["namespaces"], facts.host["namespaces"]
    if shared := {kind for kind in SEPARATE if own[kind] == host[kind]}:
        yield f"shares {_list(shared)} with this machine"
    if not facts.gvisor and not all(own[kind] for kind in SEPARATE):
        raise UnknownError("/proc/self/ns does not tell")
    inside, outside = facts["machine"], facts.host["machine"]
    if inside["hostname"] == outside["hostname"]:
        yield "knows this machine's name"
    known = {*outside["ids"].values()} - {""}
    if known & {*inside["ids"].values()}:
        yield "knows this machine's id"


def file_system(facts: Facts) -> Objections:
    for place, error in facts["writable"].items():
        if not error:
            yield f"{place} is writable"
    scratch = {WORK, "/dev/shm", *(each.target for each in facts.spec.scratch)}
    for where, options, propagation, kind, own in facts["mounts"]:
        writable = not {"ro"} & {*options.split(","), *own.split(",")}
        honours = not facts.gvisor and not {"nosuid", "nodev"} <= {*options.split(",")}
        if where in scratch and writable and honours:
            yield f"{where} honours set-uid programs or devices"
        if where not in scratch and writable and not where.startswith(KERNEL_MOUNTS):
            yield f"{where} ({kind}) is mounted writable"
        if "shared:" in propagation:
            yield f"mounts below {where} reach this machine"


def kernel(facts: Facts) -> Objections:
    known = {f"/dev/{name}" for name in (DEVICES | ITS_DEVICES if facts.gvisor else DEVICES)}
    yield from (what for what in facts["kernel_files"] if what.removeprefix("open ") not in known)
    if strange := {*facts["devices"]} - known:
        yield f"has {_list(strange)}"


def control_sockets(facts: Facts) -> Objections:
    """The broker's and the gate's are the only ones; /var/run may be a link to /run."""
    found = {
        Path("/run", path).as_posix().replace("/var/run/", "/run/")
        for path in facts["socket_files"]
    }
    wanted = {f"{BROKER}/{name}" for name in SOCKETS}
    if others := found - wanted:
        yield f"sees {_list(others)}"
    if missing := wanted - found:  # the control: a socket that is there is found
        raise UnknownError(f"{_list(missing)} was not found")
    if shut := {path: error for path, error in facts["doors"].items() if error}:
        raise UnknownError(f"{_list(shut)} cannot be reached ({_list(shut.values())})")


def protected(facts: Facts) -> Objections:
    yield from (attempt for attempt, error in facts["protected"].items() if not error)
    yield from facts["overmounted"]["done"]
    if facts["overmounted"]["namespaces"] and not facts.spec.nested and not facts.gvisor:
        yield "makes namespaces"
    yield from (f"{path} was changed" for path in facts.changed)


def limits(facts: Facts) -> Objections:
    """Those the engine does not say it cannot enforce."""
    walls, missing = facts.spec.walls, facts.exit.unenforced
    bounds = {"FSIZE": walls.file_mib << 20, "NOFILE": walls.open_files, "CORE": 0}
    for name, bound in bounds.items():
        if facts["rlimits"][name] != [bound, bound]:
            yield f"{name} is {facts['rlimits'][name]}"
    counts = {"file_bytes": walls.file_mib << 20, "open_files": walls.open_files}
    if "pids" not in missing and not _died_of_processes(facts):
        counts["processes_made"] = walls.pids
    for name, bound in counts.items():
        if not 0 < facts[name] <= bound:
            yield f"{name}: {facts[name]} of {bound}"
    died = facts.exit.out_of_memory or (facts.alone is not None and facts.alone.code == SIGKILLED)
    waived = "memory_mib" in missing or died  # the script may have ended of it
    if not waived and facts["memory"] != "refused":
        yield f"memory: more than {walls.memory_mib} MiB {facts['memory']}"


def _died_of_processes(facts: Facts) -> bool:
    """Only where every earlier fact was told is it this one that gVisor died of."""
    untold = "processes_made" not in {**facts.told, **facts.unknown}
    return facts.gvisor and untold and facts.exit.code == PANIC and not facts.exit.out_of_memory


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
