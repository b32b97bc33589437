"""What a sandbox guarantees: the promises, their judges, and one check for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.records.sandbox import Check
from runner.sandbox import posture_judge as judges
from runner.sandbox.posture_judge import Facts, Objections, UnknownError
from runner.text import line

MOST_TOLD = 4


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What is promised, how it is judged, and what to do when it does not hold."""

    promise: str
    judge: Callable[[Facts], Objections]
    remedy: str
    in_gvisor: str = ""
    """The remedy there, where it is another."""


_KERNEL = "use a kernel with CONFIG_SECCOMP_FILTER"
_FILTER = 'add "--oci-seccomp" to gVisor\'s runtimeArgs'
GUARANTEES: Mapping[str, Guarantee] = {
    "clean environment": Guarantee(
        "exactly the variables it is given", judges.environment, "use an image without ENV"
    ),
    "processes": Guarantee(
        "no variable, path, file or terminal of this machine in any of them",
        judges.processes,
        "report this: something of this machine is handed to the sandbox",
    ),
    "no network": Guarantee(
        "only lo; no route, no name server, no socket of this machine answers",
        judges.network,
        "let nothing attach networks to the sandboxes of codex-runner",
    ),
    "socket families": Guarantee(
        "no VSOCK, ALG, PACKET, XDP, raw or other socket can be made", judges.families, _KERNEL
    ),
    "system calls": Guarantee(
        "io_uring, keys, bpf, ptrace, mounts by file and the like are refused; 32-bit ones kill",
        judges.calls,
        _KERNEL,
    ),
    "no privileges": Guarantee(
        "no capability, no way to one, not root here, every process filtered",
        judges.privileges,
        "run codex-runner as an ordinary user",
        _FILTER,
    ),
    "separation": Guarantee(
        "processes, mounts, network, IPC and host name of its own",
        judges.separation,
        "allow all kinds of namespaces on this machine",
    ),
    "read-only system": Guarantee(
        "nothing is writable but workspace and scratch",
        judges.file_system,
        "look at the mounts this engine adds",
    ),
    "kernel interfaces": Guarantee(
        "no kernel setting opens for writing, no memory or device for reading",
        judges.kernel,
        "let nothing add devices or mounts to the sandboxes of codex-runner",
    ),
    "no control sockets": Guarantee(
        "the broker's are the only ones, and answer",
        judges.control_sockets,
        "take the sockets out of the image or root file system",
        'add "--host-uds=open" (before 2023: "--fsgofer-host-uds") to gVisor\'s runtimeArgs',
    ),
    "protected paths": Guarantee(
        ".git, .codex and .agents withstand writing, renaming, replacing and mounting",
        judges.protected,
        "use Linux 5.11 or later, and a state directory on a local disk",
        _FILTER + ', and set inner_sandbox = "off"',
    ),
    "limits in force": Guarantee(
        "files, descriptors, processes and memory end where they should",
        judges.limits,
        "mount the memory and pids control groups",
        'take "--ignore-cgroups" out of gVisor\'s runtimeArgs',
    ),
}


def judge(facts: Facts) -> tuple[Check, ...]:
    """One check per guarantee, in the table's order."""
    return tuple(_judged(name, facts) for name in GUARANTEES)


def objections(name: str, facts: Facts) -> tuple[list[str], list[str]]:
    """What speaks against one guarantee, and what could not be looked at."""
    found: list[str] = []
    try:
        for objection in GUARANTEES[name].judge(facts):
            found.append(objection)
    except (UnknownError, KeyError, TypeError, ValueError, AttributeError) as error:
        return found, [f"could not be looked at: {error}"]
    return found, []


def _judged(name: str, facts: Facts) -> Check:
    found = [text for texts in objections(name, facts) for text in texts]
    more = f" and {len(found) - MOST_TOLD} more" if found[MOST_TOLD:] else ""
    detail = line("; ".join(map(str, found[:MOST_TOLD])), 300) + more or _kept(name, facts)
    remedy = _remedy(GUARANTEES[name], facts) if found else ""
    return Check(name=name, ok=not found, detail=detail, remedy=remedy)


def _kept(name: str, facts: Facts) -> str:
    """The promise, less what the engine itself says it does not hold."""
    missing = facts.exit.unenforced if name == "limits in force" else ()
    less = f", except those not enforced here: {', '.join(missing)}" if missing else ""
    return GUARANTEES[name].promise + less


def _remedy(guarantee: Guarantee, facts: Facts) -> str:
    return (guarantee.in_gvisor if facts.said_gvisor else "") or guarantee.remedy
