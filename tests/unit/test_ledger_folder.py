"""Run folders: born whole, written atomically, found by prefix."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.ledger import owner
from runner.ledger.folder import OWNER, REPORT, RunFolder, find, folders
from runner.ports import Folder
from runner.records.base import RunId


def create(state: Path, run: str = "20261120-102233-7f3a9c") -> RunFolder:
    return RunFolder.create(state, RunId(run))


def test_it_is_private_and_owned_by_this_process(tmp_path: Path) -> None:
    made: Folder = create(tmp_path)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert (made.path / OWNER).read_text() == owner.this_process()
    assert (made.path / OWNER).read_text().startswith(f"{os.getpid()}:")


def test_a_run_is_made_once(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(ConfigError, match="exists"):
        create(tmp_path)
    assert [entry.name for entry in (tmp_path / "runs").iterdir()] == ["20261120-102233-7f3a9c"]


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "/etc/passwd", "a\0b", "a\n", "-x"])
def test_names_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    made = create(tmp_path)
    with pytest.raises(ConfigError):
        made.write(name, b"x")
    with pytest.raises(ConfigError):
        made.open(name)
    with pytest.raises(ConfigError):
        create(tmp_path, name)


def test_write_replaces_whole_and_keeps_private(tmp_path: Path) -> None:
    made = create(tmp_path)
    made.write("patch", b"old and long")
    path = made.write("patch", b"new")
    assert path.read_bytes() == made.read("patch") == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {entry.name for entry in made.path.iterdir()} == {"owner", "patch"}


def test_a_planted_link_is_replaced_not_followed(tmp_path: Path) -> None:
    made = create(tmp_path)
    outside = tmp_path / "outside"
    outside.write_text("kept")
    (made.path / "patch").symlink_to(outside)
    with pytest.raises(InfraError, match="cannot read"):
        made.open("patch")
    made.write("patch", b"x")
    assert outside.read_text() == "kept"
    assert not (made.path / "patch").is_symlink()


def test_a_full_disk_says_so_and_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create(tmp_path)
    made.write("patch", b"old")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InfraError, match="No space left on device") as caught:
        made.write("patch", b"new")
    assert "free space" in caught.value.remedy
    assert made.read("patch") == b"old"
    assert {entry.name for entry in made.path.iterdir()} == {"owner", "patch"}


def test_an_unusable_state_directory_is_two_lines(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match="Not a directory"):
        create(tmp_path / "file" / "state")


def test_a_missing_file_names_run_and_file(tmp_path: Path) -> None:
    made = create(tmp_path)
    assert made.read("patch") is None
    with pytest.raises(ConfigError, match="20261120-102233-7f3a9c has no patch"):
        made.open("patch")


def test_find_latest_exact_and_prefix(tmp_path: Path) -> None:
    for run in ("20261120-1", "20261120-10", "20261119-9"):
        create(tmp_path, run)
    assert [f.run for f in folders(tmp_path)] == ["20261120-10", "20261120-1", "20261119-9"]
    assert find(tmp_path, None).run == "20261120-10"
    assert find(tmp_path, "20261120-1").run == "20261120-1"
    assert find(tmp_path, "20261119").run == "20261119-9"
    with pytest.raises(ConfigError, match="fits 2 runs"):
        find(tmp_path, "20261120")
    for unknown in ("x", "", "../runs", "*"):
        with pytest.raises(ConfigError, match="no run"):
            find(tmp_path, unknown)


def test_no_runs_is_an_error_that_says_where(tmp_path: Path) -> None:
    for state in (tmp_path, tmp_path / "absent"):
        assert folders(state) == ()
        with pytest.raises(ConfigError, match="no runs in"):
            find(state, None)


def test_strange_entries_are_not_runs(tmp_path: Path) -> None:
    create(tmp_path, "1")
    (tmp_path / "runs" / "file").write_text("")
    (tmp_path / "runs" / ".new-x").mkdir()
    (tmp_path / "runs" / "link").symlink_to("/etc")
    assert [f.run for f in folders(tmp_path)] == ["1"]


def test_condition_follows_report_and_process(tmp_path: Path) -> None:
    made = create(tmp_path)
    assert made.condition() == "running"
    made.write(OWNER, f"{os.getpid()}:1".encode())
    assert made.condition() == "abandoned"
    made.write(REPORT, b"{}")
    assert made.condition() == "sealed"


@pytest.mark.parametrize("text", ["", ":", "x:1", "1", "-1:5", "²:1", "99999999999:1"])
def test_a_broken_owner_is_a_dead_one(text: str) -> None:
    assert not owner.alive(text)


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    assert not owner.alive(f"{child}:{fields[19]}")
    os.waitpid(child, 0)
