"""Where control groups are made, by what /proc and the hierarchy say."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.records.sandbox import Walls
from runner.sandbox import cgroups

WALLS = Walls(wall_s=1, memory_mib=64, pids=7, cpus=2)


def delegated(at: Path, controllers: str) -> None:
    at.mkdir(parents=True, exist_ok=True)
    (at / "cgroup.procs").write_text("")
    (at / "cgroup.subtree_control").write_text(controllers)


def test_the_nearest_group_with_limited_children_is_the_parent(tmp_path: Path) -> None:
    delegated(tmp_path, "cpu memory pids")
    delegated(tmp_path / "user", "memory pids")
    delegated(tmp_path / "user/session", "")
    found = cgroups._delegated(tmp_path, tmp_path / "user/session")
    assert found == dict.fromkeys(("memory", "pids"), (tmp_path / "user", True))


def test_nothing_above_the_mount_is_looked_at(tmp_path: Path) -> None:
    delegated(tmp_path, "cpu memory pids")
    delegated(tmp_path / "mounted/own", "")
    (tmp_path / "mounted/cgroup.procs").write_text("")
    (tmp_path / "mounted/cgroup.subtree_control").write_text("")
    assert cgroups._delegated(tmp_path / "mounted", tmp_path / "mounted/own") == {}


@pytest.mark.parametrize(
    ("root", "path", "seen"),
    [
        ("/", "/user/a", "/m/user/a"),
        ("/docker/x", "/docker/x/y", "/m/y"),  # a container sees its own part only
        ("/docker/x", "/elsewhere", "/m"),
        ("/", "/../outside", "/m"),
    ],
)
def test_a_group_is_found_below_its_mount(root: str, path: str, seen: str) -> None:
    assert cgroups._inside("/m", root, path) == Path(seen)


def test_settings_of_both_hierarchies() -> None:
    made = [
        {**cgroups._settings(name, WALLS, unified), **cgroups._swap(name, WALLS, unified)}
        for unified in (True, False)
        for name in ("memory", "pids", "cpu")
    ]
    assert made == [
        {"memory.max": "67108864", "memory.swap.max": "0"},
        {"pids.max": "7"},
        {"cpu.max": "200000 100000"},
        {"memory.limit_in_bytes": "67108864", "memory.memsw.limit_in_bytes": "67108864"},
        {"pids.max": "7"},
        {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "200000"},
    ]


def test_death_by_the_limit_is_read_from_either_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\nmax 3\noom 1\noom_kill 1\n")
    (tmp_path / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    assert cgroups.Group({"memory": tmp_path}, {"memory"}).out_of_memory()
    assert not cgroups.Group({"memory": tmp_path}).out_of_memory()
    assert not cgroups.Group().out_of_memory()
