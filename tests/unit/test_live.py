"""Leases: who lives, who died, and who may clean up."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from runner import live
from runner.lifetime import standing, this_process
from runner.process import MARK, clean_env, kill_group, spawn

TAKE = """
import os
import sys
from pathlib import Path
from runner.live import take
print(take(Path(sys.argv[1]), "run"), flush=True)
sys.stdin.read()
"""


def die_with_a_lease(parent: Path) -> str:
    """Another process takes one and is killed; its name."""
    child = spawn([sys.executable, "-c", TAKE, str(parent)], env=clean_env())
    assert child.stdin and child.stdout and child.stderr
    assert b"Lease" in child.stdout.readline()
    assert live.held(parent, "run") and live.found(parent) == {True}
    assert live.dead(parent) == []
    name = (parent / "run.lock").read_text()
    assert standing(name) == "alive"
    kill_group(child.pid)
    assert child.wait() == -SIGKILL
    for pipe in (child.stdin, child.stdout, child.stderr):
        pipe.close()
    return name


def test_the_directory_of_a_dead_process_is_whose_first_comes(tmp_path: Path) -> None:
    owner = die_with_a_lease(tmp_path)
    assert standing(owner) == "dead"
    assert live.held(tmp_path, "run") is False and live.found(tmp_path) == {False}
    [lease] = live.dead(tmp_path)
    assert (lease.path, lease.owner) == (tmp_path / "run", owner)
    assert live.dead(tmp_path) == [], "it has a new owner"
    lease.release()
    [lease] = live.dead(tmp_path)
    lease.close()
    assert live.held(tmp_path, "run") is None
    assert [path.name for path in tmp_path.iterdir()] == [live.GUARD]


def test_a_directory_without_a_lock_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    [lease] = live.dead(tmp_path)
    lease.close()
    assert [path.name for path in tmp_path.iterdir()] == [live.GUARD]


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    lease = live.take(tmp_path, "run")
    with pytest.raises(FileExistsError):
        live.take(tmp_path, "run")
    assert lease.path.is_dir()
    lease.close()


@pytest.mark.parametrize("name", ["", ":", "x:1", "1", "-1:5", "²:1", "99999999999:1", "1:"])
def test_a_broken_name_is_a_dead_process(name: str) -> None:
    assert standing(name) == "dead"


def test_who_cannot_be_seen_may_be_alive() -> None:
    assert standing("another-boot/1/99:1") == "hidden"
    assert standing(this_process()) == "alive"


def test_a_process_nobody_waited_for_is_dead() -> None:
    child = spawn(["/bin/sh", "-c", "read word"], env=clean_env())
    ticks = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    name = f"{this_process().rpartition('/')[0]}/{child.pid}:{ticks}"
    assert standing(name) == "alive"
    child.communicate(b"")
    assert standing(name) == "dead"


def test_host_tools_carry_their_runner_s_name() -> None:
    assert clean_env()[MARK] == this_process()


@pytest.mark.parametrize("name", [".lock", "..lock", "...lock", "-x.lock", "a.b.lock", "x y.lock"])
def test_no_file_makes_a_lease_of_what_is_around_it(tmp_path: Path, name: str) -> None:
    """`...lock` would be the lock of `..`: the whole state directory."""
    parent = tmp_path / "live"
    live.take(parent).close()
    (tmp_path / "kept").touch()
    (parent / name).touch()
    assert live.found(parent) == set()
    assert live.dead(parent) == []
    assert live.strange(parent) == [str(parent / name)]
    assert (tmp_path / "kept").exists() and (parent / name).exists()


def test_what_is_no_regular_lock_is_nobodys(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    parent = tmp_path / "live"
    parent.mkdir()
    os.mkfifo(parent / "a.lock")
    (parent / "b.lock").symlink_to(outside / "made")
    (parent / "c.lock").mkdir()
    (parent / "d").symlink_to(outside)
    (parent / "e").touch()
    (parent / "b").mkdir()
    assert live.found(parent) == set()
    assert live.dead(parent) == []
    assert not list(outside.iterdir())
    told = [Path(path).name for path in live.strange(parent)]
    assert told == ["a.lock", "b.lock", "c.lock", "d", "e"]
    assert live.held(parent, "a") is None and live.held(parent, "..") is None


def test_another_user_s_lock_is_left(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    (tmp_path / "x.lock").touch()
    os.chown(tmp_path / "x.lock", 65534, 65534)
    assert live.dead(tmp_path) == []
    assert live.strange(tmp_path) == [str(tmp_path / "x.lock")]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a.lock", "-x"])
def test_a_lease_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        live.take(tmp_path, name)


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_the_guard_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    guard = tmp_path / live.GUARD
    os.mkfifo(guard) if kind == "fifo" else guard.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match=r"regular file|symbolic links"):
        live.take(tmp_path)
