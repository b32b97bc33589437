"""The filter's two forms say the same, and say no where it matters."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InfraError
from runner.sandbox.resources import resource
from runner.sandbox.seccomp import AUDIT_ARCH, bpf_program, docker_profile

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0x80000000
TABLES: Mapping[str, Mapping[str, int]] = json.loads(resource("syscalls.json").read_text())
MOST_INSTRUCTIONS = 4096
WORD = 2**32 - 1
NEW_USER, NEW_CGROUP = 0x10000000, 0x02000000


def simulate(program: bytes, number: int, arguments: tuple[int, ...], arch: int) -> int:
    """The kernel's interpreter, as far as the compiler uses it."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments)
    code = list(struct.iter_unpack("=HBBI", program))
    place, register = 0, 0
    while True:
        operation, yes, no, constant = code[place]
        place += 1
        match operation:
            case 0x20:
                (register,) = struct.unpack_from("<I", data, constant)
            case 0x54:
                register &= constant
            case 0x05:
                place += constant
            case 0x06:
                return int(constant)
            case 0x15 | 0x25 | 0x35:
                holds = {0x15: register == constant, 0x25: register > constant}
                place += yes if holds.get(operation, register >= constant) else no
            case _:
                raise AssertionError(f"operation {operation:#x}")


def evaluate(profile: Mapping[str, Any], machine: str, number: int, args: tuple[int, ...]) -> int:
    """What docker's form of the profile says."""
    names = {known: name for name, known in TABLES[machine].items()}
    if machine == "x86_64" and number >= 0x40000000:
        return KILL
    if number > max(names):
        return ENOSYS
    for entry in profile["syscalls"]:
        if names.get(number) in entry["names"] and all(
            holds(condition, args) for condition in entry.get("args", ())
        ):
            allowed = entry["action"] == "SCMP_ACT_ALLOW"
            return ALLOW if allowed else 0x00050000 | _error(entry)
    return EPERM


def _error(entry: Mapping[str, Any]) -> int:
    """A call to trace where nobody does is ENOSYS."""
    return 38 if entry["action"] == "SCMP_ACT_TRACE" else int(entry["errnoRet"])


def holds(condition: Mapping[str, Any], arguments: tuple[int, ...]) -> bool:
    value, wanted = arguments[int(condition["index"])], int(condition["value"])
    match condition["op"]:
        case "SCMP_CMP_EQ":
            return value == wanted
        case "SCMP_CMP_LE":
            return value <= wanted
        case "SCMP_CMP_MASKED_EQ":
            return value & wanted == int(condition["valueTwo"])
    raise AssertionError(condition["op"])


CONSTANTS = sorted(
    {
        condition["value"]
        for entry in json.loads(resource("seccomp.json").read_text())["syscalls"]
        for condition in entry.get("args", ())
    }
)
near = st.builds(
    lambda constant, off, high: max(0, constant + off) & WORD | high << 32,
    st.sampled_from(CONSTANTS),
    st.integers(-1, 1),
    st.sampled_from((0, 0, 0, 1, WORD)),
)
argument = near | st.integers(0, 2**64 - 1)
conditional = st.sampled_from(("clone", "unshare", "socket", "setsockopt", "personality", "clone3"))


@given(
    machine=st.sampled_from(sorted(AUDIT_ARCH)),
    nested=st.booleans(),
    name=conditional | st.none(),
    number=st.integers(0, 480) | st.integers(0, WORD),
    arguments=st.tuples(*([argument] * 6)),
)
def test_both_forms_agree(
    machine: str, nested: bool, name: str | None, number: int, arguments: tuple[int, ...]
) -> None:
    if name is not None:
        number = TABLES[machine][name]
    told = simulate(bpf_program(nested, machine), number, arguments, AUDIT_ARCH[machine])
    profile = json.loads(docker_profile(nested))
    assert told == evaluate(profile, machine, number, arguments)


@pytest.mark.parametrize("machine", sorted(AUDIT_ARCH))
@pytest.mark.parametrize("nested", [False, True])
def test_every_number_is_decided_as_docker_would(machine: str, nested: bool) -> None:
    program, profile = bpf_program(nested, machine), json.loads(docker_profile(nested))
    assert len(program) // 8 <= MOST_INSTRUCTIONS
    for number in range(600):
        told = simulate(program, number, (0,) * 6, AUDIT_ARCH[machine])
        assert told == evaluate(profile, machine, number, (0,) * 6)


@pytest.mark.parametrize("nested", [False, True])
def test_the_form_for_gvisor_says_the_same_without_enosys(nested: bool) -> None:
    """gVisor makes EPERM of every error; and nobody may trace who would say otherwise."""
    plain, traced = (json.loads(docker_profile(nested, traced)) for traced in (False, True))
    for number in range(600):
        told = evaluate(traced, "x86_64", number, (0,) * 6)
        assert told == evaluate(plain, "x86_64", number, (0,) * 6)
    assert not any(entry.get("errnoRet") == 38 for entry in traced["syscalls"])
    assert evaluate(traced, "x86_64", TABLES["x86_64"]["clone3"], (0,) * 6) == ENOSYS
    assert evaluate(traced, "x86_64", TABLES["x86_64"]["ptrace"], (0,) * 6) == EPERM


def decide(name: str, *arguments: int, nested: bool, machine: str = "x86_64") -> int:
    padded = (*arguments, *([0] * (6 - len(arguments))))
    program = bpf_program(nested, machine)
    return simulate(program, TABLES[machine][name], padded, AUDIT_ARCH[machine])


REFUSED = (
    "io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key bpf userfaultfd "
    "perf_event_open open_by_handle_at name_to_handle_at kexec_load kexec_file_load init_module "
    "finit_module delete_module ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp fsopen "
    "fsconfig fsmount fspick move_mount open_tree mount_setattr setns quotactl acct swapon swapoff "
    "reboot chroot syslog settimeofday clock_settime vhangup fanotify_init"
)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", REFUSED.split())
def test_never_allowed(name: str, nested: bool) -> None:
    for machine in AUDIT_ARCH:
        assert decide(name, nested=nested, machine=machine) == EPERM


@pytest.mark.parametrize("name", ["mount", "umount2", "pivot_root", "unshare"])
def test_namespaces_are_for_nested_sandboxes_only(name: str) -> None:
    assert decide(name, nested=False) == EPERM
    assert decide(name, nested=True) == ALLOW


def test_clone_is_judged_by_its_flags() -> None:
    assert decide("clone", 0x11, nested=False) == ALLOW
    assert decide("clone", 0x11 | NEW_USER, nested=False) == EPERM
    assert decide("clone", 0x11 | NEW_USER, nested=True) == ALLOW
    assert decide("clone", 0x11 | NEW_USER | NEW_CGROUP, nested=True) == EPERM
    assert decide("clone3", nested=True) == ENOSYS


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ((1, 1, 0), ALLOW),  # AF_UNIX
        ((2, 1 | 0o2004000, 6), ALLOW),  # AF_INET, SOCK_STREAM with flags, TCP
        ((10, 2, 17), ALLOW),  # AF_INET6, SOCK_DGRAM, UDP
        ((16, 3, 0), ALLOW),  # NETLINK_ROUTE
        ((16, 3, 12), EPERM),  # NETLINK_NETFILTER
        ((2, 3, 255), EPERM),  # SOCK_RAW
        ((2, 1, 132), EPERM),  # SCTP
        ((17, 3, 0), EPERM),  # AF_PACKET
        ((38, 5, 0), EPERM),  # AF_ALG
        ((40, 1, 0), EPERM),  # AF_VSOCK
        ((1 << 32 | 40, 1, 0), EPERM),
        ((1 << 32 | 1, 1, 0), EPERM),
    ],
)
def test_sockets(arguments: tuple[int, ...], verdict: int) -> None:
    assert decide("socket", *arguments, nested=False) == verdict


def test_netfilter_tables_are_not_settable() -> None:
    assert decide("setsockopt", 3, 0, 64, nested=True) == EPERM
    assert decide("setsockopt", 3, 41, 64, nested=True) == EPERM
    assert decide("setsockopt", 3, 41, 1 << 32 | 64, nested=True) == EPERM
    assert decide("setsockopt", 3, 6, 31, nested=True) == EPERM
    assert decide("setsockopt", 3, 6, 1, nested=True) == ALLOW


def test_other_interfaces_of_the_kernel_kill() -> None:
    program = bpf_program(False, "x86_64")
    assert simulate(program, 4, (0,) * 6, 0x40000003) == KILL  # i386: int 0x80
    assert simulate(program, 0x40000000, (0,) * 6, AUDIT_ARCH["x86_64"]) == KILL  # x32
    assert simulate(program, 0x40000001, (0,) * 6, AUDIT_ARCH["x86_64"]) == KILL
    arm = bpf_program(False, "aarch64")
    assert simulate(arm, 4, (0,) * 6, 0x40000028) == KILL


def test_names_are_real_and_conditions_safe() -> None:
    known = {name for table in TABLES.values() for name in table}
    for entry in json.loads(resource("seccomp.json").read_text())["syscalls"]:
        assert set(entry["names"]) <= known
        for condition in entry.get("args", ()):
            assert condition["op"] in {"SCMP_CMP_EQ", "SCMP_CMP_LE", "SCMP_CMP_MASKED_EQ"}
            assert condition["value"] <= WORD


def test_docker_profile_is_for_64_bit_interfaces_only() -> None:
    profile = json.loads(docker_profile(False))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert [each["subArchitectures"] for each in profile["archMap"]] == [[], []]


def test_unknown_machine() -> None:
    with pytest.raises(InfraError, match="riscv64"):
        bpf_program(False, "riscv64")
