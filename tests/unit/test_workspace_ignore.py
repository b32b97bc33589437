"""`.gitignore` files of an agent cost bounded time and memory, and are refused by name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runner.errors import RefusedError
from runner.process import OverdueError
from runner.workspace import ignore
from runner.workspace.git import Git
from tests.overlays import make_checkout

BOMB = b"*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b/x\n" * 100
LONG = [b"d/" + b"a" * 250 + b"/%d" % number for number in range(100)]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(make_checkout(tmp_path / "repository").path / ".git")


def ask(git: Git, files: dict[bytes, bytes], paths: list[bytes], scratch: Path) -> set[bytes]:
    return ignore.ignored(git, paths, files.get, scratch / "ignore")


def test_what_git_would_leave_out(git: Git, tmp_path: Path) -> None:
    files = {b".gitignore": b"*.o\n", b"d/.gitignore": b"!keep.o\n/x\n"}
    asked = [b"a.o", b"d/keep.o", b"d/x", b"x", b"d/e/y"]
    assert ask(git, files, asked, tmp_path) == {b"a.o", b"d/x"}


def test_patterns_without_an_end_are_refused_by_name(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignore, "SECONDS", 0.2)
    with pytest.raises(RefusedError, match=r"d/\.gitignore: 100 new files .* more than 0\.2 s"):
        ask(git, {b".gitignore": b"x\n", b"d/.gitignore": BOMB}, LONG, tmp_path)


def test_a_phase_ends_all_its_commands(git: Git) -> None:
    bounded = git.for_s(0)
    with pytest.raises(OverdueError):
        bounded.ask("cat-file", "--batch", stdin=b"x\n" * 100_000)
    assert git.for_s(60).for_s(600).until < time.monotonic() + 61


def test_too_many_bytes_of_patterns_are_refused_by_name(
    git: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ignore, "MAX_TOTAL_BYTES", 10)
    with pytest.raises(RefusedError, match=r"d/\.gitignore: more than 10 bytes"):
        ask(git, {b".gitignore": b"123456", b"d/.gitignore": b"12345"}, [b"d/x"], tmp_path)
