"""What the self-test's scripts are asked: names, numbers and paths; no answer is in here."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass, replace

from runner.records.sandbox import BROKER, SOCKETS, WORK, Walls
from runner.sandbox.resources import resource

COVERS = (".git", ".codex", ".agents")
MADE = "posture-made"
"""A file the sandbox makes in its workspace."""
WALLS = Walls(wall_s=20, memory_mib=64, pids=64, file_mib=1, open_files=128, output_mib=8)
"""Small, so that reaching them costs little."""
ROOM = replace(WALLS, wall_s=60, memory_mib=512, pids=128)
"""For a kernel that itself lives within its sandbox's limits."""
PLACES = ("/", "/usr", "/etc", "/bin", "/lib", "/opt", "/home", "/root", "/var", "/run", "/dev")
SOCKET_PLACES = ("/run", "/var/run", "/tmp", "/var/tmp", "/home", "/root", "/srv", "/mnt", "/opt")
CALLS = """
io_uring_setup io_uring_enter keyctl add_key request_key bpf userfaultfd perf_event_open
open_by_handle_at kexec_load init_module finit_module delete_module ptrace process_vm_readv
process_vm_writev pidfd_getfd fsopen fsmount move_mount open_tree mount_setattr setns quotactl
swapon reboot syslog settimeofday sethostname chroot
"""
FLAT = " mount umount2 pivot_root unshare"
"""Refused besides, where codex starts no inner sandbox."""
FAMILIES = (
    *(("AF_VSOCK", 40, 1, 0), ("AF_VSOCK datagram", 40, 2, 0), ("AF_ALG", 38, 5, 0)),
    *(("AF_PACKET", 17, 3, 0), ("AF_PACKET datagram", 17, 2, 0), ("AF_XDP", 44, 3, 0)),
    *(("AF_INET raw", 2, 3, 1), ("AF_INET6 raw", 10, 3, 58), ("AF_BLUETOOTH", 31, 3, 1)),
    *(("AF_CAN", 29, 3, 1), ("AF_TIPC", 30, 5, 0), ("AF_RDS", 21, 5, 0), ("AF_KEY", 15, 3, 2)),
    *(("AF_NFC", 39, 5, 0), ("AF_SMC", 43, 1, 0), ("AF_RXRPC", 33, 2, 2)),
    *(("AF_QIPCRTR", 42, 2, 0), ("AF_KCM", 41, 2, 0), ("AF_NETLINK audit", 16, 3, 9)),
    ("AF_NETLINK netfilter", 16, 3, 12),
)
"""Name, family, type, protocol: include/linux/socket.h"""
UNWRITABLE = """
/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/panic_on_oom
/proc/sys/fs/binfmt_misc/register /proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger
/proc/irq/default_smp_affinity /sys/power/state /sys/kernel/uevent_helper
/sys/kernel/security/apparmor/.remove /sys/fs/cgroup/release_agent /sys/fs/cgroup/cgroup.procs
/sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory/release_agent
/sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/memory/memory.limit_in_bytes
/sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/devices/devices.allow
/dev/mem /dev/kmsg /dev/fuse /dev/kvm /dev/net/tun /dev/vsock /dev/vhost-vsock /dev/uinput
"""
UNREADABLE = """
/proc/kcore /proc/kmsg /dev/mem /dev/kmem /dev/port /dev/kmsg /etc/shadow
/sys/class/dmi/id/product_uuid /sys/class/dmi/id/product_serial /sys/firmware/dmi/tables/DMI
"""


@dataclass(frozen=True, slots=True)
class Host:
    """Where this machine listens while a sandbox is looked at."""

    tcp: int
    abstract: str


def questions(
    host: Host, nested: bool, work: str = WORK, walls: Walls = WALLS
) -> dict[str, object]:
    """For one sandbox, as JSON; paths are those inside."""
    numbers = json.loads(resource("syscalls.json").read_text()).get(platform.machine(), {})
    calls = CALLS if nested else CALLS + FLAT
    return {
        "tcp": host.tcp,
        "abstract": host.abstract,
        "families": FAMILIES,
        "calls": {name: numbers[name] for name in calls.split()},
        "doors": [f"{BROKER}/{name}" for name in SOCKETS],
        "places": PLACES,
        "socket_places": SOCKET_PLACES,
        "unwritable": UNWRITABLE.split(),
        "unreadable": UNREADABLE.split(),
        "work": work,
        "made": MADE,
        "protected": COVERS,
        "scratch": "/tmp",
        "file_bytes": walls.file_mib << 20,
        "open_files": walls.open_files,
        "pids": walls.pids,
        "memory_mib": walls.memory_mib * 3 // 2,
    }
