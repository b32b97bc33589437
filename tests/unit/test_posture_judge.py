"""Every fact the self-test judges can fail: good facts, spoilt one at a time."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.records.base import RunId
from runner.records.sandbox import Exit, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox.posture import facts as read_facts
from runner.sandbox.posture_judge import GVISOR, Facts
from runner.sandbox.posture_table import GUARANTEES, judge

SPEC = SandboxSpec(
    run=RunId("r"),
    role="probe",
    argv=(),
    env={"PATH": "/usr/bin", "HOME": "/codex-home"},
    walls=Walls(wall_s=20, memory_mib=64, pids=64, file_mib=1, open_files=128),
    workspace=Overlay((Path("/l"),), Path("/u"), Path("/w")),
    scratch=(Scratch("/tmp", 16),),
    nested=True,
)
STATUS = {
    "Uid": "1000 1000 1000 1000",
    "Groups": "1000",
    "NoNewPrivs": "1",
    "Seccomp": "2",
    **{f"Cap{kind}": "0" * 16 for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
}
PROCESS = {
    "names": ["PATH", "HOME", "PWD"],
    "argv": "python3",
    "files": {"0": "/dev/null", "1": "pipe:[1]", "2": "pipe:[2]"},
    "status": STATUS,
}
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
GOOD: dict[str, Any] = {
    "environment": {"PATH": "/usr/bin", "HOME": "/codex-home", "PWD": "/work"},
    "processes": {"self": PROCESS, "1": {**PROCESS, "names": None, "files": None}},
    "namespaces": {kind: f"{kind}:[1]" for kind in KINDS},
    "machine": {"hostname": "sandbox", "kernel": "#1 SMP Debian", "ids": {"/etc/machine-id": ""}},
    "interfaces": ["lo"],
    "routes": [],
    "reach": {"192.0.2.1": "ENETUNREACH", "the host's TCP": "ECONNREFUSED"},
    "unix_sockets": [],
    "families": {"AF_VSOCK": "EPERM"},
    "calls": {"bpf": "EPERM", "clone3": "ENOSYS"},
    "interfaces_32": {"x86_64 getpid": "answers", "i386 getpid": "signal 31"},
    "mounts": [
        ["/", "ro,relatime", "master:1", "overlay", "rw"],
        ["/work", "rw,nosuid,nodev", "", "overlay", "rw"],
        ["/tmp", "rw,nosuid,nodev", "", "tmpfs", "rw"],
        ["/proc", "rw,nosuid", "", "proc", "rw"],
    ],
    "writable": {"/": "EROFS", "/usr": "EACCES"},
    "kernel_files": [],
    "devices": ["/dev/null", "/dev/pts/ptmx"],
    "socket_files": [
        *("/run/broker/model.sock", "/run/broker/gate.sock"),
        *("/var/run/broker/model.sock", "/var/run/broker/gate.sock"),
    ],
    "doors": {"/run/broker/model.sock": "", "/run/broker/gate.sock": ""},
    "terminal": {"streams": [], "controlling": "ENXIO"},
    "protected": {"write into .git": "EROFS", "rename .git": "EBUSY"},
    "overmounted": {"namespaces": True, "done": []},
    "rlimits": {"FSIZE": [1 << 20, 1 << 20], "NOFILE": [128, 128], "CORE": [0, 0]},
    "file_bytes": 1 << 20,
    "open_files": 124,
    "processes_made": 62,
    "memory": "refused",
}
HOST = {
    "namespaces": {kind: f"{kind}:[0]" for kind in KINDS},
    "machine": {"hostname": "box", "kernel": "#1 SMP Debian", "ids": {"/etc/machine-id": "a1b2"}},
}
ENDED = Exit(code=0, duration_ms=1)


def facts(told: dict[str, Any], **more: Any) -> Facts:
    given: dict[str, Any] = {"exit": ENDED, "owner": 10001, "changed": (), "unknown": {}, **more}
    return Facts(spec=SPEC, told=told, host=HOST, marker="/home/me/state", **given)


def wanting(found: Facts) -> set[str]:
    return {check.name for check in judge(found) if not check.ok}


def test_good_facts_are_good() -> None:
    assert wanting(facts(GOOD)) == set()


def put(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """Sets what lies at a path; the last key may be new."""

    def spoil(told: dict[str, Any]) -> None:
        place = told
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return spoil


OWN = ("processes", "self", "status")
SPOILT = [
    ("clean environment", put("environment", "TOKEN", value="x")),
    ("clean environment", put("environment", "HOME", value="/root")),
    ("clean environment", put("environment", "PWD", value="/home/me")),
    ("clean environment", put("environment", value={"PATH": "/usr/bin"})),
    ("processes", put("processes", "1", "names", value=["AWS_SECRET"])),
    ("processes", put("processes", "1", "argv", value="bwrap --bind /home/me/state/x")),
    ("processes", put("processes", "self", "files", "7", value="/home/me/x")),
    ("processes", put("processes", "self", "files", "3", value="pipe:[9]")),
    ("processes", put("processes", "self", "files", "1", value="/dev/pts/0")),
    ("processes", put("terminal", "streams", value=[0])),
    ("processes", put("terminal", "controlling", value="")),
    ("no network", put("interfaces", value=["lo", "eth0"])),
    ("no network", put("routes", value=["eth0 0"])),
    ("no network", put("reach", "192.0.2.1", value="")),
    ("no network", put("reach", "the host's TCP", value="")),
    ("no network", put("reach", "DNS at 10.0.0.1", value="silence")),
    ("no network", put("reach", "the host's abstract socket", value="EACCES")),
    ("no network", put("unix_sockets", value=["@/tmp/.X11-unix/X0"])),
    ("socket families", put("families", "AF_VSOCK", value="")),
    ("socket families", put("families", "AF_ALG", value="EAFNOSUPPORT")),
    ("system calls", put("calls", "bpf", value="")),
    ("system calls", put("calls", "keyctl", value="EINVAL")),
    ("system calls", put("interfaces_32", "i386 getpid", value="answers")),
    ("system calls", put("interfaces_32", "x32 getpid", value="refuses")),
    ("system calls", put("interfaces_32", "x86_64 getpid", value="signal 31")),
    ("no privileges", put(*OWN, "NoNewPrivs", value="0")),
    ("no privileges", put(*OWN, "Seccomp", value="0")),
    ("no privileges", put(*OWN, "Uid", value="0 0 0 0")),
    ("no privileges", put(*OWN, "Groups", value="1000 0")),
    *(("no privileges", put(*OWN, f"Cap{kind}", value="0" * 15 + "1")) for kind in ("Inh", "Prm")),
    *(("no privileges", put(*OWN, f"Cap{kind}", value="0" * 15 + "1")) for kind in ("Eff", "Bnd")),
    ("no privileges", put(*OWN, "CapAmb", value="0" * 15 + "1")),
    ("no privileges", put("processes", "1", "status", "Seccomp", value="0")),
    *(("separation", put("namespaces", kind, value=f"{kind}:[0]")) for kind in ("pid", "net")),
    *(("separation", put("namespaces", kind, value=f"{kind}:[0]")) for kind in ("ipc", "mnt")),
    ("separation", put("namespaces", "uts", value="uts:[0]")),
    ("separation", put("machine", "hostname", value="box")),
    ("separation", put("machine", "ids", "/etc/machine-id", value="a1b2")),
    ("read-only system", put("writable", "/usr", value="")),
    ("read-only system", put("mounts", value=[["/usr", "rw", "", "ext4", "rw"]])),
    ("read-only system", put("mounts", value=[["/work", "rw,nodev", "", "overlay", "rw"]])),
    ("read-only system", put("mounts", value=[["/", "ro", "shared:1", "overlay", "rw"]])),
    ("kernel interfaces", put("kernel_files", value=["open /proc/sysrq-trigger"])),
    ("kernel interfaces", put("devices", value=["/dev/null", "/dev/kvm"])),
    ("no control sockets", put("socket_files", value=[*GOOD["socket_files"], "/run/docker.sock"])),
    ("no control sockets", put("socket_files", value=[])),
    ("no control sockets", put("socket_files", value=["/run/broker/model.sock"])),
    ("protected paths", put("protected", "rename .git", value="")),
    ("protected paths", put("overmounted", "done", value=["bind .git"])),
    ("limits in force", put("rlimits", "CORE", value=[0, -1])),
    ("limits in force", put("rlimits", "NOFILE", value=[128, 4096])),
    ("limits in force", put("file_bytes", value=(1 << 20) + 65536)),
    ("limits in force", put("open_files", value=136)),
    ("limits in force", put("processes_made", value=72)),
    ("limits in force", put("memory", value="granted")),
]


@pytest.mark.parametrize(("name", "spoil"), SPOILT)
def test_a_spoilt_fact_is_an_objection(name: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    told = copy.deepcopy(GOOD)
    spoil(told)
    assert wanting(facts(told)) == {name}


@pytest.mark.parametrize("fact", GOOD)
def test_a_fact_that_is_missing_is_never_a_pass(fact: str) -> None:
    told = {name: value for name, value in GOOD.items() if name != fact}
    checks = [check for check in judge(facts(told, unknown={fact: "OSError: no"})) if not check.ok]
    assert checks
    assert all("could not be looked at: OSError: no" in check.detail for check in checks)


@pytest.mark.parametrize("fact", GOOD)
def test_null_is_no_fact(fact: str) -> None:
    assert wanting(facts({**GOOD, fact: None}))


@pytest.mark.parametrize("value", [7, [], "text", {"a": 1}, [[1]]])
@pytest.mark.parametrize("fact", GOOD)
def test_nonsense_never_breaks_the_judge(fact: str, value: object) -> None:
    judge(facts({**GOOD, fact: value}))


def test_what_the_host_sees_counts() -> None:
    assert wanting(facts(GOOD, owner=0)) == {"no privileges"}
    assert wanting(facts(GOOD, owner=None)) == {"no privileges"}
    assert wanting(facts(GOOD, changed=(".git",))) == {"protected paths"}


def test_namespaces_are_for_nested_sandboxes_only() -> None:
    flat = replace(facts(GOOD), spec=replace(SPEC, nested=False))
    assert wanting(flat) == {"protected paths"}


def test_a_limit_the_engine_admits_to_lack_is_told_elsewhere() -> None:
    told = {**GOOD, "processes_made": 72, "memory": "granted"}
    lacks = ENDED.model_copy(update={"unenforced": ("memory_mib", "pids")})
    assert wanting(facts(told, exit=lacks)) == set()


def test_a_limit_that_is_not_enforced_is_not_promised() -> None:
    lacks = ENDED.model_copy(update={"unenforced": ("memory_mib", "pids")})
    told = {check.name: check.detail for check in judge(facts(GOOD, exit=lacks))}
    assert told["limits in force"].endswith("except those not enforced here: memory_mib, pids")
    assert "not enforced" not in "".join(check.detail for check in judge(facts(GOOD)))


def test_a_socket_that_does_not_answer_is_missed() -> None:
    told = copy.deepcopy(GOOD)
    told["doors"]["/run/broker/gate.sock"] = "ECONNREFUSED"
    (check,) = (check for check in judge(facts(told)) if not check.ok)
    assert check.name == "no control sockets"
    assert check.detail.endswith("/run/broker/gate.sock cannot be reached (ECONNREFUSED)")


def test_a_sandbox_ended_by_its_memory_held() -> None:
    told = {name: value for name, value in GOOD.items() if name != "memory"}
    killed = ENDED.model_copy(update={"out_of_memory": True, "code": 137})
    assert wanting(facts(told, exit=killed)) == set()


def gvisor() -> dict[str, Any]:
    """As its sandboxes tell."""
    told = copy.deepcopy(GOOD)
    told["machine"]["kernel"] = GVISOR
    told["families"]["AF_VSOCK"] = "EAFNOSUPPORT"
    told["calls"]["io_uring_setup"] = "EFAULT"
    told["interfaces_32"]["i386 getpid"] = "refuses"
    told["reach"]["192.0.2.1"] = "EHOSTUNREACH"
    told["namespaces"] |= {"ipc": "", "mnt": "", "uts": ""}
    told["devices"].append("/dev/net/tun")
    told["kernel_files"].append("open /dev/net/tun")
    for process in told["processes"].values():
        process["status"].pop("NoNewPrivs", None)
        process["status"].pop("CapAmb", None)
    return told


def test_gvisor_is_a_kernel_of_its_own() -> None:
    assert wanting(facts(gvisor())) == set()


def test_nobody_else_is_judged_as_gvisor() -> None:
    told = gvisor()
    told["machine"]["kernel"] = "#1 SMP Debian"
    assert wanting(facts(told)) == {
        *("socket families", "system calls", "no privileges", "separation", "kernel interfaces")
    }


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("socket families", put("families", "AF_VSOCK", value="")),
        ("system calls", put("calls", "bpf", value="")),
        ("system calls", put("interfaces_32", "i386 getpid", value="answers")),
        ("no privileges", put(*OWN, "CapEff", value="0" * 15 + "1")),
        ("no privileges", put(*OWN, "Seccomp", value="0")),
        ("kernel interfaces", put("devices", value=["/dev/kvm"])),
        ("no network", put("interfaces", value=["lo", "eth0"])),
    ],
)
def test_gvisor_has_to_hold_as_well(name: str, spoil: Callable[[dict[str, Any]], None]) -> None:
    told = gvisor()
    spoil(told)
    assert wanting(facts(told)) == {name}


PANICKED = ENDED.model_copy(update={"code": 2})
SWAMPED = ENDED.model_copy(update={"code": 137, "out_of_memory": True})
REACHED = ("processes_made", "memory")


def test_gvisor_ends_of_a_limit_that_is_passed() -> None:
    told = {name: value for name, value in gvisor().items() if name not in REACHED}
    assert facts(told, exit=PANICKED).cut_short and not facts(gvisor()).cut_short
    killed = SWAMPED.model_copy(update={"out_of_memory": False})  # the engine did not notice why
    for alone in (SWAMPED, killed):
        assert wanting(facts(told, exit=PANICKED, alone=alone)) == set()


@pytest.mark.parametrize(
    ("more", "ended", "alone"),
    [
        ({}, ENDED, SWAMPED),
        ({}, SWAMPED, SWAMPED),  # of memory: nobody knows whether of too many processes as well
        ({}, PANICKED, None),
        ({}, PANICKED, ENDED),
        ({"memory": "granted"}, PANICKED, ENDED),
        ({"processes_made": 72}, PANICKED, SWAMPED),
        ({"machine": {**GOOD["machine"], "kernel": "#1 SMP Debian"}}, PANICKED, SWAMPED),
    ],
)
def test_gvisor_has_to_end_of_the_limit_itself(
    more: dict[str, Any], ended: Exit, alone: Exit | None
) -> None:
    told = {name: value for name, value in gvisor().items() if name not in REACHED}
    assert "limits in force" in wanting(facts({**told, **more}, exit=ended, alone=alone))


def test_a_script_that_failed_at_the_limit_is_no_end_of_gvisor() -> None:
    told = {name: value for name, value in gvisor().items() if name not in REACHED}
    unknown = {"processes_made": "OSError: no"}
    found = facts(told, exit=PANICKED, alone=SWAMPED, unknown=unknown)
    assert wanting(found) == {"limits in force"}


def test_gvisor_is_mended_by_its_own_settings() -> None:
    told = gvisor() | {"processes_made": 72, "socket_files": []}
    told["protected"] = {"write into .git": ""}
    remedies = [check.remedy for check in judge(facts(told)) if not check.ok]
    for option, remedy in zip(
        ("--host-uds=open", "--oci-seccomp", "--ignore-cgroups"), remedies, strict=True
    ):
        assert option in remedy


def test_lines_of_others_are_nobodys() -> None:
    said = b'hello\n[1,2\n{"a": 1}\n["memory", "granted"]\n["rlimits", null, "OSError: no"]\n7\n'
    found = read_facts(said, spec=SPEC, exit=ENDED, marker="", owner=1, changed=())
    assert found.told == {"memory": "granted"}
    assert found.unknown == {"rlimits": "OSError: no"}


def test_every_guarantee_has_words() -> None:
    assert all(each.promise and each.remedy for each in GUARANTEES.values())
    assert json.dumps([*GUARANTEES])
