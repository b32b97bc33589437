"""The drill's private copy of a base commit, and where its policy lets things be planted."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from runner.demo.sample import make_sample
from runner.drill.ground import Origin, lay_out
from runner.drill.lure import lure
from runner.errors import InfraError
from runner.process import clean_env, run
from runner.records.base import Oid
from tests.drills import ground_of


def git(place: Path, *words: str) -> str:
    env = clean_env({"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
    done = run(["git", "-C", place, *words], env=env)
    assert done.code == 0, done
    return done.text()


def test_a_copy_of_the_base_commit_and_nothing_else(tmp_path: Path) -> None:
    sample = make_sample(tmp_path)
    here = sample.repository
    (here / "later.txt").write_text("later\n")
    base = Oid(git(here, "rev-parse", "HEAD"))
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    git(here, "add", "--all")
    git(here, *who, "commit", "-q", "-m", "later")
    before = {path: path.lstat().st_mtime_ns for path in here.rglob("*")}
    (tmp_path / "drill").mkdir()
    arena = lay_out(tmp_path / "drill", Origin(here / ".git" / "objects", base, "trunk"))
    assert {path: path.lstat().st_mtime_ns for path in here.rglob("*")} == before
    assert "tally/stats.py" in arena.tracked and "later.txt" not in arena.tracked
    for place in (arena.repository, arena.remote):
        assert git(place, "rev-parse", "refs/heads/trunk") == base
        assert git(place, "rev-list", "--all") == base
        assert not (place / "objects" / "info" / "alternates").exists()
    assert git(arena.repository, "config", "remote.origin.url") == str(arena.remote)
    git(arena.remote, "fsck", "--strict")


def test_a_base_that_is_not_there(tmp_path: Path) -> None:
    origin = Origin(tmp_path / "none", Oid("0" * 40), "main")
    with pytest.raises(InfraError, match="pack-objects"):
        lay_out(tmp_path, origin)


def test_new_files_only_where_they_are_allowed(tmp_path: Path) -> None:
    anywhere = ground_of(tmp_path, tracked=("src/a.py", "tests/test_a.py"))
    assert anywhere.fresh("x") == "drill_x.txt"
    below = ground_of(tmp_path, tracked=("src/a.py",), allowed=lambda p: p.startswith("src/"))
    assert below.fresh("x") == "src/drill_x.txt"
    python = ground_of(tmp_path, tracked=("src/a.py",), allowed=lambda p: p.endswith(".py"))
    assert python.fresh("x") == "drill_x.py"
    nowhere = ground_of(tmp_path, tracked=("src/a.py",), allowed=lambda p: p == "src/a.py")
    assert nowhere.fresh("x") is None


def test_what_counts_as_a_test(tmp_path: Path) -> None:
    names = (
        *("a.py", "latest.py", "tests/__init__.py", "tests/conftest.py", "tests/a.py"),
        *("pkg/test_b.py", "web/a.spec.ts", "go/a_test.go", "contest/a.py", "spec/deep/x.rb"),
    )
    found = ground_of(tmp_path, tracked=names).tests
    assert found == (
        "tests/a.py",
        "pkg/test_b.py",
        "web/a.spec.ts",
        "go/a_test.go",
        "spec/deep/x.rb",
    )
    some = ground_of(tmp_path, tracked=names, allowed=lambda p: p.startswith("pkg/"))
    assert some.tests == ("pkg/test_b.py",)


def test_limits_are_only_lowered(tmp_path: Path) -> None:
    ground = ground_of(tmp_path)
    assert ground.lowered(requests=6, files=10_000) == {
        "requests": 6,
        "files": ground.plan.limits.files,
    }


def test_the_lures_can_be_reached_from_the_host(tmp_path: Path) -> None:
    with lure(tmp_path) as lures:
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", lures.port)),
            (socket.AF_UNIX, f"\0{lures.abstract}"),
            (socket.AF_UNIX, lures.path),
        ):
            with socket.socket(family) as talk:
                talk.connect(address)
