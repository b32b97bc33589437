"""The door to child processes: bounded, uninherited, never deadlocked."""

from __future__ import annotations

import resource
import sys

import pytest

from runner import process
from runner.errors import InfraError

PYTHON = sys.executable
ALLOWED = {"PATH", "LANG", "LC_ALL", "TMPDIR", process.MARK}


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "x")
    shown = process.run(["/usr/bin/env"]).text()
    assert "CANARY" not in shown
    assert {line.split("=")[0] for line in shown.splitlines()} == ALLOWED


def test_both_pipes_full_at_once() -> None:
    code = "import os\nfor _ in range(40): os.write(2, b'e'*65536); os.write(1, b'o'*65536)"
    done = process.run([PYTHON, "-c", code])
    assert (len(done.stdout), len(done.stderr)) == (40 * 65536, 40 * 65536)


def test_input_larger_than_a_pipe_comes_back() -> None:
    data = bytes(range(256)) * 20_000
    assert process.run(["/bin/cat"], stdin=data).stdout == data


def test_child_that_never_reads_its_input() -> None:
    assert process.run(["/bin/true"], stdin=b"x" * 5_000_000).code == 0


def test_exit_status_and_error_line() -> None:
    done = process.run(["/bin/sh", "-c", "echo first >&2; echo last >&2; exit 3"])
    assert (done.code, done.error()) == (3, "last")


def test_deadline_kills_the_whole_group() -> None:
    with pytest.raises(InfraError, match=r"took 0\.2 s"):
        process.run(["/bin/sh", "-c", "trap '' TERM INT; sleep 60 & sleep 60"], timeout_s=0.2)


def test_too_much_output_is_cut_and_memory_stays_flat() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InfraError, match="printed more than"):
        process.run(["/bin/cat", "/dev/zero"], max_bytes=4_000_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_stranger_holding_the_pipe_does_not_hold_us() -> None:
    done = process.run(["/bin/sh", "-c", "sleep 30 & echo done"], timeout_s=20)
    assert done.stdout == b"done\n"


def test_limits_hold_for_a_child_and_what_it_starts() -> None:
    shown = "read word; exec sh -c 'ulimit -H -f; ulimit -H -c'"  # the word comes when they are set
    limits = {resource.RLIMIT_FSIZE: 1024 * 512, resource.RLIMIT_CORE: 0}
    done = process.run(["/bin/sh", "-c", shown], stdin=b"go\n", limits=limits)
    assert done.text().split() == ["1024", "0"]


def test_missing_program_names_itself() -> None:
    with pytest.raises(InfraError, match="cannot start no-such-program"):
        process.run(["no-such-program"])
