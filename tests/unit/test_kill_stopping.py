"""Who is dead after a kill: seen, not said; and what could not be seen is told."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from runner import stopping
from runner.halting import TARGET
from runner.killswitch import Switch, why
from runner.live import LIVE, held, take
from runner.process import Child, clean_env, spawn
from runner.records.base import RunId
from runner.records.kill import Target
from runner.stopping import prove
from tests.live.world import wait_until

RUN, OTHER = "20261120-102233-7f3a9c", "20261120-102233-000000"
RUNNER = """
import signal, sys, time
from pathlib import Path
from runner.live import LIVE, take

state, name, target, deaf = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "deaf"
lease = take(state / LIVE, name)
if target:
    (lease.path / "target.json").write_text(target)

def end(*_):
    lease.close()
    sys.exit(0)

def over(*_):
    lease.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(0.3)
    sys.exit(0)

signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else end)
signal.signal(signal.SIGUSR1, over)
print("ready", flush=True)
time.sleep(600)
"""


@contextmanager
def runner(state: Path, name: str, target: str = "", deaf: str = "") -> Iterator[Child]:
    """A process that has the lease of a run, and is one only as far as that."""
    child = spawn([sys.executable, "-c", RUNNER, str(state), name, target, deaf], env=clean_env())
    assert child.stdout and child.stdin and child.stderr
    try:
        assert os.read(child.stdout.fileno(), 100) == b"ready\n", child.stderr.read()
        yield child
    finally:
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()


def told(name: str) -> str:
    """What it is, and that it continues another one."""
    targets = Target(run=name, policy="ab" * 32), Target(run=f"{name}-before")
    return f"[{','.join(target.model_dump_json() for target in targets)}]"


@pytest.mark.parametrize("deaf", ["", "deaf"])
def test_who_is_meant_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: str) -> None:
    monkeypatch.setattr(stopping, "UNHEARD_S", 0.1)
    monkeypatch.setattr(stopping, "ENDING_S", 0.2)
    kill = Switch(tmp_path).pull("run", RUN, "loops", "user:ada")
    with runner(tmp_path, RUN, told(RUN), deaf) as one, runner(tmp_path, OTHER, told(OTHER)) as two:
        proof = prove(tmp_path, kill)
        assert proof.runs == (RUN,) and proof.left == ()
        assert one.wait(10) == (-signal.SIGKILL if deaf else 0)
        assert two.poll() is None and held(tmp_path / LIVE, OTHER)
        assert not (tmp_path / LIVE / RUN).exists()


def test_who_continues_one_that_is_meant_is_ended(tmp_path: Path) -> None:
    kill = Switch(tmp_path).pull("run", f"{RUN}-before", "loops", "user:ada")
    with runner(tmp_path, RUN, told(RUN)) as child:
        assert prove(tmp_path, kill).runs == (RUN,)
        assert child.wait(10) == 0


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "UNHEARD_S", 0.1)
    monkeypatch.setattr(stopping, "ENDING_S", 0.2)
    kill = Switch(tmp_path).pull("policy", "ab" * 32, "loops", "user:ada")
    with runner(tmp_path, RUN, told(RUN)) as child:
        child.send_signal(signal.SIGSTOP)
        assert prove(tmp_path, kill).left == ()
        assert child.wait(10) == -signal.SIGKILL


def test_one_that_is_over_while_it_is_looked_at_has_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = Switch(tmp_path).pull("run", RUN, "loops", "user:ada")
    looked = stopping._tree

    def slow(pid: int) -> list[tuple[int, str]]:
        found = [*looked(pid)]
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda: not held(tmp_path / LIVE, RUN), "the end of the run")
        return found

    with runner(tmp_path, RUN, told(RUN)) as child:
        monkeypatch.setattr(stopping, "_tree", slow)
        assert prove(tmp_path, kill) == stopping.Proof((RunId(RUN),))
        assert child.wait(10) == 0


def test_all_of_them(tmp_path: Path) -> None:
    kill = Switch(tmp_path).pull("all", "", "loops", "user:ada")
    with ExitStack() as stack:
        children = [stack.enter_context(runner(tmp_path, name)) for name in (RUN, OTHER)]
        assert set(prove(tmp_path, kill).runs) == {RUN, OTHER}
        assert [child.wait(10) for child in children] == [0, 0]


def test_one_that_does_not_say_what_it_is_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "GONE_S", 0.3)
    kill = Switch(tmp_path).pull("policy", "ab" * 32, "loops", "user:ada")
    with runner(tmp_path, RUN) as child:
        (left,) = prove(tmp_path, kill).left
        assert RUN in left and child.poll() is None


def test_one_that_cannot_be_seen_is_not_called_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock is held by a process of which only that is known: of another pid namespace."""
    monkeypatch.setattr(stopping, "UNHEARD_S", 0.1)
    monkeypatch.setattr(stopping, "ENDING_S", 0.2)
    monkeypatch.setattr(stopping, "GONE_S", 0.5)
    home = tmp_path / LIVE / RUN
    home.mkdir(parents=True)
    (home / TARGET).write_text(told(RUN))
    kill = Switch(tmp_path).pull("run", RUN, "loops", "user:ada")
    with (tmp_path / LIVE / f"{RUN}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"another-boot/4026531836/{os.getpid()}:1")
        lock.flush()
        proof = prove(tmp_path, kill)
    assert proof.runs == (RUN,)
    assert any("cannot be seen" in each for each in proof.left), proof


def test_other_leases_are_no_runs(tmp_path: Path) -> None:
    lease = take(tmp_path / LIVE, "abcdef123456")
    kill = Switch(tmp_path).pull("all", "", "loops", "user:ada")
    proof = prove(tmp_path, kill)
    assert proof.runs == () and proof.left == () and lease.path.is_dir()
    lease.close()
    assert prove(tmp_path / "absent", kill).runs == ()


@pytest.mark.parametrize(
    ("conclusion", "other", "told_of"),
    [("halted", False, (RUN,)), ("halted", True, ()), ("published", False, ())],
)
def test_one_that_ended_by_the_kill_before_it_was_looked_at_is_told(
    tmp_path: Path, conclusion: str, other: bool, told_of: tuple[str, ...]
) -> None:
    switch = Switch(tmp_path)
    kills = [switch.pull("all", "", "loops", "user:ada") for _ in range(2)]
    folder = tmp_path / "runs" / RUN
    folder.mkdir(parents=True)
    problem = {"problem": why(kills[other]), "remedy": "lift it"}
    (folder / "report.json").write_text(json.dumps({"conclusion": conclusion, "problem": problem}))
    assert prove(tmp_path, kills[0], frozenset({RUN, OTHER})).runs == told_of
    assert prove(tmp_path, kills[0]).runs == ()
