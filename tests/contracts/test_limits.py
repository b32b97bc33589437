"""Hostile loads on every engine: each ends by its own wall, says why, and leaves the host alone."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from runner import process
from runner.errors import InfraError
from runner.records.sandbox import Scratch, StopReason, Walls
from runner.sandbox import disk
from tests.contracts.conftest import Ended, Heard, Probe
from tests.contracts.test_engine_walls import alive

pytestmark = pytest.mark.parametrize(
    "engine", ["bubblewrap", "docker"], indirect=True, scope="session"
)
"""A disk that is elsewhere is watched from there."""
MIB = 1024 * 1024
WALL_S = 45
"""Ends what no other wall has ended; the reason then fails the test."""
PRELUDE = """
import errno, fcntl, os, resource, signal, socket, struct, sys, time
block = b"x" * 2**20
def fill(name, mib):
    handle = os.open(name, os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(mib):
        os.write(handle, block)
    return handle
"""


class Responsive(Heard):
    """While it watches, this machine goes on starting programs: each look is one."""

    def stop(self) -> StopReason | None:
        assert process.run(["true"], timeout_s=20).code == 0
        return None


def ends(probe: Probe, script: str, **walls: int) -> Ended:
    """The script's end: nothing of it is alive, and this machine was all the time."""
    marker = secrets.token_hex(8)
    bounded = probe.with_(walls=Walls(**{"wall_s": WALL_S, **walls}))
    ended = bounded.python(PRELUDE + script, marker, watch=Responsive())
    assert alive(marker) == []
    return ended


def used_mib(folder: Path) -> int:
    return sum(path.lstat().st_blocks for path in folder.rglob("*")) * 512 // MIB


DEAF = "for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)\n"
MANY = "for number in range(100_000): os.close(fill(f'f{number}', 1))"
LOADS: dict[str, tuple[StopReason, str]] = {
    "one file": ("disk", "fill('one', 100_000)"),
    "many files": ("disk", MANY),
    "where only it can look": ("disk", "os.mkdir('d', 0o300); os.chdir('d')\n" + MANY),
    "deaf": ("disk", DEAF + MANY),
    "deleted files": ("disk", "while True: fill('gone', 8); os.unlink('gone')"),
    "never named": (
        "disk",
        "while True: os.write(os.open('.', os.O_TMPFILE | os.O_WRONLY), block * 8)",
    ),
    "copied up": (
        "disk",
        "for name in os.listdir('lower'): os.chmod('lower/' + name, 0o600)\ntime.sleep(60)",
    ),
    "empty files": (
        "entries",
        "for number in range(1_000_000): os.close(os.open(f'f{number}', os.O_CREAT))",
    ),
    "links": (
        "entries",
        "os.close(fill('f', 1))\nfor number in range(60_000): os.link('f', f'f{number}')\n"
        "time.sleep(60)",
    ),
    "deleted base": (
        "entries",
        "for name in os.listdir('lower'): os.unlink('lower/' + name)\ntime.sleep(60)",
    ),
    "deep": (
        "entries",
        "for number in range(1_000_000):\n"
        " os.mkdir('d'); os.chdir('d')\n"
        " for other in range(9): os.mkdir(str(other))",
    ),
}


BASES = {
    "copied up": {f"lower/{number}": "x" * MIB for number in range(80)},
    "deleted base": {f"lower/{number}": "" for number in range(1100)},
}


@pytest.mark.parametrize("load", LOADS)
def test_a_full_disk(probe: Probe, load: str) -> None:
    reason, script = LOADS[load]
    writing = probe.with_(workspace=probe.overlay(BASES.get(load, {})))
    ended = ends(writing, script, disk_mib=48, entries=1000, open_files=2000, file_mib=100_000)
    assert (ended.exit.stopped, ended.exit.code) == (reason, None)


def test_holes_and_links_cost_nothing(probe: Probe) -> None:
    script = """
os.truncate(fill('hole', 1), 2**30)
os.close(fill('one', 8))
for number in range(20): os.link('one', f'link{number}')
print('done', flush=True); time.sleep(0.5)
"""
    writing = probe.with_(workspace=probe.overlay({}))
    ended = ends(writing, script, disk_mib=24, file_mib=1024)
    assert (ended.exit.stopped, ended.exit.code, ended.out) == (None, 0, "done\n")


def test_no_disk_is_taken_in_one_call(probe: Probe) -> None:
    """`fallocate` by its own name and as the calls of XFS; who asks for room gets it written."""
    script = """
import ctypes
handle = os.open('one', os.O_CREAT | os.O_RDWR)
def refused(call, *arguments):
    return errno.errorcode[call(*arguments) and ctypes.get_errno()]
libc = ctypes.CDLL(None, use_errno=True)
print(refused(libc.fallocate, handle, 0, ctypes.c_long(0), ctypes.c_long(2**20)))
for number in (0x40305828, 0x4030582A, 0x40305839):
    space = struct.pack('=hh4xqqiI16x', 0, 0, 0, 2**20, 0, 0)
    print(refused(libc.ioctl, handle, ctypes.c_ulong(number), space))
os.posix_fallocate(handle, 0, 2**20)
print(os.fstat(handle).st_blocks * 512)
"""
    said = ends(probe.with_(workspace=probe.overlay({})), script).out.split()
    assert said == ["ENOTSUP", "EPERM", "EPERM", "EPERM", "1048576"]


def test_a_full_disk_starts_nothing(probe: Probe) -> None:
    overlay = probe.overlay({})
    free = disk.free_at(overlay.upper)
    for walls in (
        Walls(wall_s=9, disk_mib=free.bytes // MIB),
        Walls(wall_s=9, entries=free.inodes + 10**6),
    ):
        with pytest.raises(InfraError, match=r"free: (disk_mib|entries)"):
            probe.with_(walls=walls, workspace=overlay).sh("true")


def test_a_fork_bomb(probe: Probe) -> None:
    bomb = """
while True:
    try: os.fork()
    except OSError: pass
"""
    ended = ends(probe, bomb, wall_s=2, pids=200, memory_mib=1024)
    assert (ended.exit.stopped or ended.exit.out_of_memory) in {"wall-clock", True}


def test_endless_output_is_cut_not_drained(probe: Probe) -> None:
    heard = Responsive()
    walls = Walls(wall_s=WALL_S, output_mib=2)
    script = "trap '' INT TERM PIPE; while :; do head -c 10G /dev/zero; done"
    ended = probe.with_(walls=walls).sh(script, watch=heard)
    assert ended.exit.stopped == "output"
    assert len(heard.out) <= 2 * MIB
    assert ended.exit.stdout_bytes < 64 * MIB


MEMORY = {
    "one process": "x = [block * 2 + bytes([n % 256]) for n in range(100_000)]",
    "many processes": """
for _ in range(30):
    if os.fork() == 0: break
x = [bytes([n % 256]) * 2**20 for n in range(100_000)]
""",
    "scratch": "fill('/tmp/a', 10_000)",
    "shared": "fill('/dev/shm/a', 50); fill('/tmp/a', 100); time.sleep(2)",
}


@pytest.mark.parametrize("load", MEMORY)
def test_a_memory_bomb(probe: Probe, load: str) -> None:
    roomy = probe.with_(scratch=(Scratch("/tmp", 512),))
    ended = ends(roomy, MEMORY[load], memory_mib=96, pids=64)
    assert ended.exit.out_of_memory
    assert (ended.exit.stopped, ended.exit.code) in {(None, 137), ("wall-clock", None)}


def test_a_million_files_in_scratch(probe: Probe) -> None:
    """They take no space of a tmpfs, but the kernel's memory."""
    script = """
for number in range(1_000_000):
    try: os.close(os.open(f'/tmp/{number}', os.O_CREAT))
    except OSError as error:
        print(errno.errorcode[error.errno], number); break
"""
    roomy = probe.with_(scratch=(Scratch("/tmp", 512),))
    ended = ends(roomy, script, memory_mib=64)
    assert ended.exit.out_of_memory or ended.out.startswith("ENOSPC ")


DAEMONS = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork():
    print('parent', flush=True)
    %s
os.setsid()
if os.fork(): os._exit(0)
for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
while True: time.sleep(1)
"""


@pytest.mark.parametrize("then", ["os._exit(3)", "time.sleep(1000)"])
def test_daemons_that_hold_the_pipes(probe: Probe, then: str) -> None:
    ended = ends(probe, DAEMONS % then, wall_s=2)
    assert ended.out == "parent\n"
    assert (ended.exit.stopped, ended.exit.code) in {("wall-clock", None), (None, 3)}
    assert (ended.exit.code == 3) == ("exit" in then)


def test_what_one_process_may_have(probe: Probe) -> None:
    names = "CORE FSIZE MEMLOCK MSGQUEUE NICE NOFILE RTPRIO SIGPENDING"
    script = f"""
for name in {names!r}.split():
    print(name, *resource.getrlimit(getattr(resource, 'RLIMIT_' + name)))
print('oom', open('/proc/self/oom_score_adj').read())
"""
    said = ends(probe, script, file_mib=3, open_files=77).out.split("\n")
    limits = {row.split()[0]: row.split()[1:] for row in said if row}
    assert limits == {
        "CORE": ["0", "0"],
        "FSIZE": [str(3 * MIB)] * 2,
        "MEMLOCK": ["65536"] * 2,
        "MSGQUEUE": ["819200"] * 2,
        "NICE": ["0", "0"],
        "NOFILE": ["77", "77"],
        "RTPRIO": ["0", "0"],
        "SIGPENDING": ["1024"] * 2,
        "oom": ["1000"],
    }


def test_time_of_the_processors(probe: Probe) -> None:
    """Two processes that spin for a second of one processor's wall get a second of it together."""
    script = """
def spin():
    began = time.monotonic()
    while time.monotonic() - began < 1: pass
children = []
for _ in range(2):
    if not (pid := os.fork()): spin(); os._exit(0)
    children.append(pid)
for pid in children: os.waitpid(pid, 0)
print(sum(os.times()[2:4]))
"""
    ended = ends(probe, script, cpus=1)
    if "cpus" not in ended.exit.unenforced:
        assert float(ended.out) < 1.5
