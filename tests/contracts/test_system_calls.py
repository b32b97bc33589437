"""The filter where it counts: real calls, made in every engine's sandboxes."""

from __future__ import annotations

import json
import platform

import pytest

from runner.sandbox.resources import resource
from tests.contracts.conftest import Probe

EPERM, ENOSYS = 1, 38
NUMBERS = json.loads(resource("syscalls.json").read_text())[platform.machine()]
ALWAYS = (
    "io_uring_setup keyctl add_key request_key bpf userfaultfd perf_event_open open_by_handle_at "
    "kexec_load init_module ptrace process_vm_readv pidfd_getfd fsopen fsmount move_mount "
    "open_tree setns quotactl acct swapon reboot"
)
FLAT = "mount umount2 pivot_root unshare"
CALLS = """
import ctypes, sys
call = ctypes.CDLL(None, use_errno=True).syscall
for number in sys.argv[1:]:
    ctypes.set_errno(0)
    call(int(number), 0, 0, 0, 0, 0)
    print(ctypes.get_errno())
"""
SOCKETS = """
import socket
for family, kind, protocol in (
    (1, 1, 0), (2, 1, 0), (2, 2, 17), (10, 1, 6), (16, 3, 0),
    (40, 1, 0), (38, 5, 0), (17, 3, 0), (44, 3, 0), (2, 3, 1), (16, 3, 12), (31, 1, 0),
):
    try:
        socket.socket(family, kind, protocol).close()
        print(0)
    except OSError as error:
        print(error.errno)
"""
MACHINE_CODE = """
import ctypes, mmap, os, sys
code = bytes.fromhex(sys.argv[1])
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
pid = os.fork()
if not pid:
    ctypes.CFUNCTYPE(ctypes.c_long)(address)()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
I386_GETPID = "b814000000 cd80 c3"  # mov eax, 20; int 0x80; ret
X32_GETPID = "b827000040 0f05 c3"  # mov eax, 0x40000027; syscall; ret
X86_64_GETPID = "b827000000 0f05 c3"
SIGSYS_OR_SEGV = (-31, -11)
"""A kernel without the i386 interface answers int 0x80 with SIGSEGV."""


@pytest.mark.parametrize("nested", [False, True])
def test_calls_are_refused(probe: Probe, nested: bool) -> None:
    names = (ALWAYS if nested else f"{ALWAYS} {FLAT}").split()
    told = probe.with_(nested=nested).python(CALLS, *(str(NUMBERS[name]) for name in names)).out
    assert dict(zip(names, map(int, told.split()), strict=True)) == dict.fromkeys(names, EPERM)


@pytest.mark.parametrize("nested", [False, True])
def test_clone3_looks_absent(probe: Probe, nested: bool) -> None:
    told = probe.with_(nested=nested).python(CALLS, str(NUMBERS["clone3"])).out
    assert int(told) == ENOSYS


def test_socket_families(probe: Probe) -> None:
    told = [int(line) for line in probe.python(SOCKETS).out.split()]
    assert told[:5] == [0] * 5
    assert told[5:] == [EPERM] * 7


@pytest.mark.skipif(platform.machine() != "x86_64", reason="interfaces of x86_64 kernels")
def test_32_bit_interfaces_kill(probe: Probe) -> None:
    for code, ends in (
        (X86_64_GETPID, (0,)),
        (I386_GETPID, SIGSYS_OR_SEGV),
        (X32_GETPID, SIGSYS_OR_SEGV),
    ):
        assert int(probe.python(MACHINE_CODE, code).out) in ends


def test_namespaces_cannot_be_made_in_a_flat_sandbox(probe: Probe) -> None:
    script = "unshare -U true; unshare -r mount -t tmpfs x /tmp; unshare -m true; echo end"
    ended = probe.sh(script)
    assert ended.out == "end\n"
    assert ended.err.count("Operation not permitted") == 3


def test_a_nested_root_gains_nothing_on_this_machine(probe: Probe) -> None:
    """Namespaces of its own: it may mount there, but neither a fresh /proc/sys nor a cgroup."""
    ended = probe.with_(nested=True).sh(
        "unshare -Urmpf sh -c '"
        "mount -t tmpfs x /tmp && echo mounts;"
        " mount -t proc p /tmp 2>/dev/null; for d in /proc /tmp; do"
        " (echo x >>$d/sys/kernel/core_pattern) 2>/dev/null && echo core_pattern; done;"
        " mount -o remount,rw / 2>/dev/null && echo remounted;"
        " unshare -C true 2>/dev/null && echo cgroup;"
        " mount -t cgroup2 c /tmp 2>/dev/null && echo cgroup2;"
        " echo end'"
    )
    assert set(ended.out.split()) <= {"mounts", "end"}


def test_a_nested_root_cannot_uncover_what_is_protected(probe: Probe) -> None:
    overlay = probe.overlay({"file": ""})
    ended = probe.with_(nested=True, workspace=overlay).sh(
        "unshare -Urm sh -c 'mkdir /tmp/w;"
        " umount .git; umount -l .git; mount -o remount,bind,rw .git; mount -o remount,rw .git;"
        " mount --bind /work /tmp/w; mount --rbind /work /tmp/w && umount /tmp/w/.git;"
        " mount --move .git /tmp/w; mount --make-private .git;"
        " for d in /work /tmp/w; do echo x >$d/.git/x; mv $d/.git $d/moved; done;"
        " mount -t tmpfs t .git && echo x >.git/HEAD' 2>/dev/null; cat .git/HEAD"
    )
    assert ended.out == "covered\n"
    assert not [path for path in overlay.upper.rglob("*") if path.name != ".git"]
    cover = overlay.covers[".git"]
    assert [path.name for path in cover.iterdir()] == ["HEAD"]
    assert (cover / "HEAD").read_text() == "covered\n"
