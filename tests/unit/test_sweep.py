"""What a killed runner leaves is found and removed; what lives is not touched."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import live, strays
from runner.cli.main import cli
from runner.keeper import kept
from runner.ledger.folder import OWNER, PATCH, RECEIPT, REPORT, STORY, RunFolder
from runner.ledger.keys import local_public_key
from runner.ledger.receipt import examine
from runner.lifetime import this_process
from runner.live import LIVE, take
from runner.process import MARK, Child, clean_env, kill_group, spawn
from runner.records.base import RunId
from runner.records.report import RunReport
from runner.sandbox import cgroup_leftovers, orphans
from runner.sandbox.codex_package import locate
from runner.sweep import look, sweep, tidy

RUN = RunId("20261120-102233-7f3a9c")
WORK = """
import os, signal, sys
from pathlib import Path
from runner.keeper import kept
from runner.ledger.folder import RunFolder
from runner.live import take
from runner.process import clean_env, spawn
state, number, keep = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "keep"
with kept(state) if keep else open(os.devnull):
    lease = take(state / "live", number)
    folder = RunFolder.create(state, number)
    folder.write("patch", b"some work")
    (folder.path / ".tmp-half").touch()
    (lease.path / "deep").mkdir()
    tool = spawn(["/bin/sh", "-c", "trap '' TERM; sleep 600 & wait"], env=clean_env())
    print(tool.pid, flush=True)
    signal.pause()
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    return made


@contextmanager
def working(state: Path, keep: str = "alone", run: str = RUN) -> Iterator[tuple[Child, int]]:
    """A runner, and the pid of a tool of its."""
    child = spawn([sys.executable, "-c", WORK, str(state), run, keep], env=clean_env())
    assert child.stdin and child.stdout and child.stderr
    tool = int(child.stdout.readline())
    try:
        yield child, tool
    finally:
        child.kill()
        child.wait()
        with suppress(ProcessLookupError):
            kill_group(tool)
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()


def left(state: Path) -> list[str]:
    return sorted(path.name for path in (state / LIVE).iterdir() if path.name != live.GUARD)


def check_sealed(state: Path) -> RunReport:
    folder = RunFolder(state / "runs" / RUN)
    assert folder.condition() == "sealed"
    assert examine(folder, local_public_key(state)).good
    assert (folder.path / STORY).is_file()
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]
    return RunReport.model_validate_json(folder.read(REPORT) or b"")


def test_a_killed_runner_is_cleaned_up_after(state: Path) -> None:
    with working(state) as (runner, tool):
        handle = os.pidfd_open(tool)
        runner.kill()
        runner.wait()
        would = look(state)
        assert (would.sealed, f"process {tool}" in would.removed) == ([RUN], True)
        assert left(state) == [RUN, f"{RUN}.lock"], "looking changes nothing"
        swept = sweep(state)
        assert (swept.sealed, swept.left) == ([RUN], [])
        assert f"process {tool}" in swept.removed
        assert select.select([handle], [], [], 0)[0], "it is dead"
        os.close(handle)
    assert left(state) == []
    report = check_sealed(state)
    assert (report.conclusion, report.exit_code) == ("abandoned", 3)
    assert report.problem and "killed" in report.problem.problem
    assert (state / "runs" / RUN / PATCH).read_bytes() == b"some work"
    assert sweep(state).sealed == []


def test_a_living_runner_is_not_touched(state: Path) -> None:
    with working(state) as (runner, tool):
        swept = sweep(state)
        assert tidy(state) is None
        assert not swept.sealed and not [row for row in swept.removed if str(tool) in row]
        assert any(RUN in note for note in swept.notes)
        os.kill(tool, 0)
        assert runner.poll() is None
    assert RunFolder(state / "runs" / RUN).condition() == "abandoned"


def test_any_command_that_looks_cleans_up(state: Path) -> None:
    with working(state) as (runner, _):
        runner.kill()
        runner.wait()
        shown = CliRunner().invoke(cli, ["list", "--json", "--state", str(state)])
    assert json.loads(shown.stdout)[0]["conclusion"] == "abandoned"
    assert left(state) == []
    check_sealed(state)
    shown = CliRunner().invoke(cli, ["show", "--state", str(state)])
    assert shown.exit_code == 0
    assert "abandoned" in shown.stdout


def test_the_keeper_does_it_when_no_command_comes(state: Path) -> None:
    with working(state, "keep") as (runner, tool):
        handle = os.pidfd_open(tool)
        runner.kill()
        runner.wait()
        assert select.select([handle], [], [], 60)[0], "its tool goes on"
        os.close(handle)
        sweep(state)  # waits for the keeper's
    assert left(state) == []
    check_sealed(state)


def test_a_keeper_ends_with_a_runner_that_ends_well(state: Path) -> None:
    with kept(state):
        pass
    assert not [pid for pid in strays.pids() if str(state).encode() in words(pid)]
    assert not list(state.iterdir())


def test_a_report_without_a_receipt_is_the_last_word(state: Path) -> None:
    """It was killed while it sealed: what it had found out is not lost."""
    folder = RunFolder.create(state, RUN)
    lease = take(state / LIVE, RUN)
    folder.seal(_judged())
    for name in (RECEIPT, STORY):
        (folder.path / name).unlink(missing_ok=True)
    lease.release()
    assert sweep(state).sealed == [RUN]
    assert check_sealed(state).conclusion == "judged"


def test_a_report_without_its_story_gets_it(state: Path) -> None:
    folder = RunFolder.create(state, RUN)
    lease = take(state / LIVE, RUN)
    folder.seal(_judged())
    lease.release()
    assert sweep(state).sealed == []
    assert check_sealed(state).conclusion == "judged"


def test_half_written_files_in_shared_places_go(state: Path) -> None:
    for name in ("runs/.new-x", "keys/.new-y", "scanner/digest.key.z", "tried.123", "tried.json"):
        (state / name).parent.mkdir(exist_ok=True, mode=0o700)
        (state / name).touch()
    (state / "snapshots" / "repository" / "half").mkdir(parents=True)
    with working(state):
        sweep(state)
        assert (state / "keys/.new-y").exists(), "somebody may be writing it"
    sweep(state)
    kept_files = [path.name for path in state.rglob("*") if path.is_file() and path.name[0] != "."]
    assert "tried.json" in kept_files
    assert not {"digest.key.z", "tried.123"} & set(kept_files)
    assert not (state / "keys/.new-y").exists()
    assert not (state / "snapshots/repository/half").exists()


def test_what_cannot_be_removed_is_told_and_tried_again(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = take(state / LIVE, RUN)
    lease.release()
    removing = "runner.sweep.remove_tree"

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(removing, refuse)
        told = CliRunner().invoke(cli, ["sweep", "--json", "--state", str(state)])
        assert told.exit_code == 3
        assert f"directory {lease.path}: Operation not permitted" in json.loads(told.stdout)["left"]
    assert left(state) == [RUN, f"{RUN}.lock"]
    assert sweep(state).left == []
    assert left(state) == []


def test_a_state_that_is_not_there_needs_no_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none").removed == []
    assert not (tmp_path / "none").exists()


def started(env: Mapping[str, str]) -> Child:
    """Its environment is there to be read a moment after its pipe to us has closed."""
    child = spawn(["/bin/sh", "-c", "read word"], env=env)
    while not Path(f"/proc/{child.pid}/environ").read_bytes():
        os.sched_yield()
    return child


def test_only_work_for_the_dead_is_ended(state: Path) -> None:
    child = started(clean_env())
    assert strays.works_for({this_process()})(child.pid)
    assert not strays.works_for({"another"})(child.pid)
    strays.end(child.pid, strays.works_for({"another"}))
    assert child.poll() is None
    child.communicate(b"")
    unmarked = {name: value for name, value in clean_env().items() if name != MARK}
    child = started(unmarked)
    assert not strays.works_for({this_process()})(child.pid)
    child.communicate(b"")


def test_a_sandbox_that_outlived_bubblewrap_is_found() -> None:
    """Killed between making the first process and telling it to die with its parent."""
    bubblewrap = locate().bubblewrap
    info, told = os.pipe()
    hold, gate = os.pipe()
    options = os.memfd_create("options")
    words_ = ["--unshare-user", "--unshare-pid", "--die-with-parent", "--ro-bind", "/", "/"]
    words_ += ["--info-fd", str(told), "--userns-block-fd", str(hold), "--block-fd", str(hold)]
    os.write(options, b"".join(word.encode() + b"\0" for word in words_))
    os.lseek(options, 0, os.SEEK_SET)
    child = subprocess.Popen(
        ["./bwrap", "--args", str(options), "--", "/bin/sleep", "600"],
        cwd=bubblewrap.parent,
        pass_fds=(told, hold, options),
        env={},
    )
    said = b""
    while b"}" not in said:
        said += os.read(info, 4096)
    first = int(json.loads(said)["child-pid"])
    try:
        assert not orphans.is_orphan(first) and not orphans.is_orphan(child.pid)
        child.kill()
        child.wait()
        assert orphans.is_orphan(first)
    finally:
        strays.end(first, lambda _: True)
        for number in (info, told, hold, gate, options):
            os.close(number)
    assert not orphans.is_orphan(first)


def test_control_groups_are_known_by_run_and_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cgroup_leftovers, "_hierarchies", lambda: [str(tmp_path)])
    names = ("codex-runner-a.1.x", "codex-runner-b.2.y", "codex-runner-preflight.3.z", "other.3.x")
    for name in names:
        (tmp_path / "slice" / name).mkdir(parents=True)
    found = cgroup_leftovers.of({"a"}, {"boot/ns/3:77"})
    assert {path.name for path in found} == {names[0], names[2]}
    for path in found:
        cgroup_leftovers.remove(path)
        cgroup_leftovers.remove(path)
    assert {path.name for path in (tmp_path / "slice").iterdir()} == {names[1], names[3]}


def words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _judged() -> RunReport:
    told = '"2026-11-20T10:22:33Z"'
    return RunReport.model_validate_json(
        f'{{"run": "{RUN}", "conclusion": "judged", "exit_code": 0,'
        f' "started_at": {told}, "finished_at": {told}}}'
    )


def test_what_is_no_lease_is_left_and_named(state: Path) -> None:
    """`...lock` would be the lock of `..`, the state directory itself."""
    RunFolder.create(state, RUN).seal(_judged())
    take(state / LIVE).close()
    for name in (".lock", "..lock", "...lock"):
        (state / LIVE / name).touch()
    os.mkfifo(state / LIVE / "x.lock")
    before = sorted(state.rglob("*"))
    shown = CliRunner().invoke(cli, ["list", "--state", str(state)])
    assert (shown.exit_code, sorted(state.rglob("*"))) == (0, before)
    for told in (look(state), sweep(state)):
        assert not [row for row in told.removed if str(state) in row] and not told.left
        assert sum("no lease of yours" in note for note in told.notes) == 4
    assert RunFolder(state / "runs" / RUN).condition() == "sealed"
    assert (state / LIVE / "...lock").exists()


def test_an_unlocked_lease_that_names_a_living_process_ends_nothing(state: Path) -> None:
    take(state / LIVE).close()
    (state / LIVE / "x.lock").write_text(this_process())
    child = started(clean_env())
    sweep(state)
    assert child.poll() is None, "it works for a living process"
    child.communicate(b"")
    assert left(state) == []


@pytest.mark.parametrize("name", ["report.json", "plan.json", "so-far.json", OWNER])
def test_a_pipe_in_an_abandoned_run_is_told(state: Path, name: str) -> None:
    folder = RunFolder.create(state, RUN)
    folder.write(OWNER, b"")
    take(state / LIVE, RUN).release()
    (folder.path / name).unlink(missing_ok=True)
    os.mkfifo(folder.path / name)
    told = CliRunner().invoke(cli, ["sweep", "--json", "--state", str(state)])
    swept = json.loads(told.stdout)
    assert swept["sealed"] == [RUN] or any(name in row for row in swept["left"])
    assert CliRunner().invoke(cli, ["list", "--state", str(state)]).exit_code == 0
