"""How every engine ends what would not end, and bounds what would grow."""

from __future__ import annotations

import secrets
import tracemalloc
from pathlib import Path

import pytest

from runner.records.sandbox import StopReason, Walls
from tests.contracts.conftest import Heard, Probe

FORKS = """
import os, signal
made = []
try:
    for _ in range(400):
        pid = os.fork()
        if not pid:
            signal.pause()
        made.append(pid)
except OSError as error:
    print(error.strerror, flush=True)
print(len(made))
"""


class Counting(Heard):
    """Keeps nothing: what grows then is the runner's."""

    def stdout(self, chunk: bytes) -> None:
        self.out = b"%d" % (int(self.out or 0) + len(chunk))


def alive(marker: str) -> list[str]:
    """Processes of this machine with `marker` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue
    return found


def stopping(reason: StopReason, after: bytes = b"") -> Heard:
    """Stops as soon as `after` was heard."""
    return Heard(until=lambda heard: reason if after in heard.out else None)


def test_flood_is_cut_at_the_wall_and_never_kept(probe: Probe) -> None:
    heard = Counting()
    walls = Walls(wall_s=60, output_mib=8)
    tracemalloc.start()
    try:
        ended = probe.with_(walls=walls).sh("exec head -c 1G /dev/zero", watch=heard)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (ended.exit.stopped, ended.exit.code) == ("output", None)
    assert int(heard.out) <= 8 * 1024 * 1024
    assert peak_bytes < 4 * 1024 * 1024


def test_wall_clock(probe: Probe) -> None:
    ended = probe.with_(walls=Walls(wall_s=0.5)).sh("sleep 1000")
    assert (ended.exit.stopped, ended.exit.code) == ("wall-clock", None)


@pytest.mark.parametrize("reason", ["idle", "interrupted", "budget", "halted"])
def test_reason_of_the_watch_is_told(probe: Probe, reason: StopReason) -> None:
    ended = probe.sh("echo ready; sleep 1000", watch=stopping(reason, b"ready"))
    assert (ended.exit.stopped, ended.exit.code) == (reason, None)


def test_interrupt_comes_first_and_leaves_time_for_a_last_word(probe: Probe) -> None:
    # it waits in the shell itself: one that is just starting a child may lose the signal
    script = "trap 'echo interrupted; exit 1' INT; sleep 100 & echo ready; wait"
    assert "interrupted" in probe.sh(script, watch=stopping("interrupted", b"ready")).out
    assert "interrupted" not in probe.sh(script, watch=stopping("halted", b"ready")).out


def test_deaf_to_every_polite_signal(probe: Probe) -> None:
    marker = secrets.token_hex(8)
    script = f"trap '' INT TERM HUP; echo ready; while :; do sleep 1; done # {marker}"
    assert probe.sh(script, watch=stopping("interrupted", b"ready")).exit.stopped == "interrupted"
    assert alive(marker) == []


def test_daemon_dies_with_the_command(probe: Probe) -> None:
    marker = secrets.token_hex(8)
    overlay = probe.overlay({})
    daemon = f"trap '' INT TERM HUP; : >alive; while :; do echo x >>late; done # {marker}"
    script = f'setsid sh -c "{daemon}" >/dev/null 2>&1 & while [ ! -e alive ]; do :; done; exit 4'
    assert probe.with_(workspace=overlay).sh(script).exit.code == 4
    assert alive(marker) == []


def test_held_pipe_holds_up_nothing(probe: Probe) -> None:
    marker = secrets.token_hex(8)
    script = f"sh -c 'sleep 1000 # {marker}' & echo done"
    ended = probe.sh(script)
    assert (ended.out, ended.exit.code) == ("done\n", 0)
    assert alive(marker) == []


def test_processes_are_bounded(probe: Probe) -> None:
    ended = probe.with_(walls=Walls(wall_s=60, pids=64)).python(FORKS)
    if "pids" not in ended.exit.unenforced:
        refused, made = ended.out.splitlines()
        assert refused == "Resource temporarily unavailable"
        assert 30 < int(made) < 64


def test_memory_is_bounded(probe: Probe) -> None:
    script = "x = bytearray(400 * 2**20); print(len(x))"
    ended = probe.with_(walls=Walls(wall_s=60, memory_mib=96)).python(script)
    if "memory_mib" not in ended.exit.unenforced:
        assert (ended.out, ended.exit.code, ended.exit.out_of_memory) == ("", 137, True)


def test_scratch_counts_as_memory(probe: Probe) -> None:
    walls = Walls(wall_s=60, memory_mib=64)
    ended = probe.with_(walls=walls).sh("head -c 500m /dev/zero >/dev/shm/a; echo lived")
    assert ended.exit.out_of_memory or "No space left" in ended.err


def test_file_size_is_bounded(probe: Probe) -> None:
    overlay = probe.overlay({})
    bounded = probe.with_(walls=Walls(wall_s=60, file_mib=1), workspace=overlay)
    assert bounded.sh("head -c 4m /dev/zero >big").exit.code != 0
    assert (overlay.upper / "big").stat().st_size <= 2**20


def test_open_files_and_core_files_are_bounded(probe: Probe) -> None:
    bounded = probe.with_(walls=Walls(wall_s=60, open_files=50))
    assert bounded.sh("ulimit -n; ulimit -c; ulimit -Hn; ulimit -Hc").out.split() == [
        *("50", "0"),
        *("50", "0"),
    ]


def test_walls_hold_in_nested_namespaces(probe: Probe) -> None:
    """A user namespace of one's own brings no right to raise a limit."""
    script = (
        "import ctypes, resource\n"
        "ctypes.CDLL(None).unshare(0x10000000)\n"
        "try: resource.setrlimit(resource.RLIMIT_NOFILE, (9999, 9999))\n"
        "except (OSError, ValueError): print('refused')\n" + FORKS
    )
    walls = Walls(wall_s=60, pids=64, open_files=100)
    ended = probe.with_(walls=walls, nested=True).python(script)
    assert ended.out.splitlines()[0] == "refused"
    if "pids" not in ended.exit.unenforced:
        assert int(ended.out.splitlines()[-1]) < 64
