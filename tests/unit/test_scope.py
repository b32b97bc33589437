"""Scopes of a user's systemd, as far as they can be had without one: what is asked, and of whom."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import process
from runner.records.sandbox import Walls
from runner.sandbox import cgroups, scope

WALLS = Walls(wall_s=1, memory_mib=64, pids=7, cpus=2)
ALL = frozenset({"memory", "pids", "cpu"})
SYSTEMD_RUN = """#!/bin/sh
echo "$XDG_RUNTIME_DIR $*" >>"{log}"
while [ "$1" != -- ]; do shift; done
shift
{then}
"""


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody listens where a user's systemd does, and a systemd-run that only runs."""
    (tmp_path / "systemd").mkdir()
    script = tmp_path / "systemd-run"
    script.write_text(SYSTEMD_RUN.format(log=tmp_path / "log", then='exec "$@"'))
    script.chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "systemd/private"))
        listener.listen()
        yield tmp_path


def test_a_command_gets_its_limits_and_an_empty_environment(manager: Path) -> None:
    around = scope.around(WALLS, ALL)
    ended = process.run([*around.argv, "/usr/bin/env"], env=around.env)
    assert (ended.code, ended.stdout) == (0, b"")
    asked = (manager / "log").read_text().splitlines()[-1]
    assert asked.startswith(f"{manager} --user --scope ")
    for wanted in ("MemoryMax=64M", "MemorySwapMax=0", "TasksMax=7", "CPUQuota=200%"):
        assert f"--property={wanted} " in asked


def test_nothing_is_asked_for_what_holds_already(manager: Path) -> None:
    assert scope.around(WALLS, frozenset()) == scope.Scope()
    assert not (manager / "log").exists()


def test_a_manager_that_refuses_is_none(manager: Path) -> None:
    refusing = SYSTEMD_RUN.format(log=manager / "log", then="exit 1")
    (manager / "systemd-run").write_text(refusing)
    assert scope.around(WALLS, ALL) == scope.Scope()


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert scope.around(WALLS, ALL) == scope.Scope()


def test_limits_are_read_back(tmp_path: Path) -> None:
    settings = {"memory.max": "67108864"}
    assert not cgroups._holds(tmp_path, settings)
    (tmp_path / "memory.max").write_text("max\n")
    assert not cgroups._holds(tmp_path, settings)
    (tmp_path / "memory.max").write_text("67108864\n")
    assert cgroups._holds(tmp_path, settings)
