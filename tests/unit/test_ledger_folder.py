"""Run folders: born whole, written atomically, found by prefix."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pytest

from runner import process
from runner.errors import ConfigError, InfraError
from runner.ledger.folder import OWNER, RECEIPT, RESERVE, RunFolder, find, folders
from runner.lifetime import this_process
from runner.live import LIVE, take
from runner.ports import Folder
from runner.records.base import RunId


def create(state: Path, run: str = "20261120-102233-7f3a9c") -> RunFolder:
    return RunFolder.create(state, RunId(run))


def test_it_is_private_and_owned_by_this_process(tmp_path: Path) -> None:
    made: Folder = create(tmp_path)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.path.parent.stat().st_mode) == 0o700
    assert (made.path / OWNER).read_text() == this_process()
    assert f"/{os.getpid()}:" in this_process()


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
    assert {entry.name for entry in made.path.iterdir()} == {OWNER, "patch", RESERVE}


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
    assert {entry.name for entry in made.path.iterdir()} == {OWNER, "patch", RESERVE}


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


def test_condition_follows_receipt_and_process(tmp_path: Path) -> None:
    made = create(tmp_path)
    assert made.condition() == "running"
    made.write(OWNER, this_process().rpartition(":")[0].encode() + b":1")
    assert made.condition() == "abandoned"
    made.write(RECEIPT, b"{}")
    assert made.condition() == "sealed"


def test_a_lease_says_more_than_a_name(tmp_path: Path) -> None:
    """Of a process in another pid namespace, say, whose name means nothing here."""
    made = create(tmp_path)
    made.write(OWNER, b"another-boot/1/99:1")
    lease = take(tmp_path / LIVE, made.run)
    assert made.condition() == "running"
    lease.release()
    assert made.condition() == "abandoned"


def test_what_a_killed_process_had_half_written_goes(tmp_path: Path) -> None:
    made = create(tmp_path)
    made.write("patch", b"x")
    (made.path / ".tmp-abc").write_bytes(b"half")
    (made.path.parent / f".new-{made.run}-abc").mkdir()
    made.tidy()
    assert {entry.name for entry in made.path.iterdir()} == {OWNER, "patch", RESERVE}
    assert [entry.name for entry in made.path.parent.iterdir()] == [made.run]


FULL = """
import os, sys
from pathlib import Path
from runner.errors import InfraError
from runner.ledger.folder import RunFolder
from runner.records.report import RunReport
state = Path(sys.argv[1]); state.chmod(0o700)
made = RunFolder.create(state, "run")
with (state / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)):
            pass
    except OSError:
        pass
assert not os.statvfs(state).f_bavail
try:
    made.write("patch", bytes(4096))
except InfraError as error:
    print(error.problem)
made.seal(RunReport.model_validate_json(sys.argv[2]))
print(made.condition())
"""


def test_a_disk_full_to_the_last_block_still_takes_a_receipt(tmp_path: Path) -> None:
    told = '"2026-11-20T10:22:33Z"'
    report = '{"run": "run", "conclusion": "infra-error", "exit_code": 3,'
    report += f' "started_at": {told}, "finished_at": {told}}}'
    script = 'mount -t tmpfs -o size=2m none "$1" || exit 99; exec "$2" -c "$3" "$1" "$4"'
    words = ["unshare", "-rm", "/bin/sh", "-c", script, "sh", str(tmp_path), sys.executable]
    if process.run(["unshare", "-rm", "true"]).code:
        pytest.skip("no user namespaces here")
    done = process.run([*words, FULL, report])
    assert done.code == 0, done
    problem, condition = done.text().splitlines()
    assert "No space left on device" in problem
    assert condition == "sealed"


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_only_a_regular_file_is_read(tmp_path: Path, kind: str) -> None:
    """A pipe would be waited for, a device read for ever."""
    made = create(tmp_path)
    for name in ("report.json", RECEIPT, "patch", "plan.json", "so-far.json", OWNER):
        place = made.path / name
        place.unlink(missing_ok=True)
        if kind == "fifo":
            os.mkfifo(place)
        elif kind == "device":
            place.symlink_to("/dev/zero")
        else:
            place.mkdir()
        with pytest.raises(InfraError, match=f"cannot read .*{name}"):
            made.read(name)
