"""show, list, logs, diff, apply on folders as a run leaves them."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from runner.cli import apply, diff, ending, list, logs, options, show, sweep
from runner.errors import ConfigError, InfraError, RefusedError, RunnerError
from runner.ledger.folder import EVENTS, OWNER, PATCH, REPORT, REVIEW_EVENTS, RunFolder
from runner.records.base import Oid, RunId, Sha256
from runner.records.patch import Patch
from tests.unit.test_report_markdown import make_report

RUN = "20261120-102233-7f3a9c"
EVIL_TITLE = "Fix\x1b]0;pwned\x07 it\n::error::x"
LINES = (
    b'{"type":"turn.started"}\n'
    b'{"type":"item.started","item":{"type":"command_execution","command":"ls \\u001b[2J"}}\n'
    b'{"type":"item.started","item":{"id":"2","type":"command_execution","command":"ls"}}\n'
    b'{"type":"item.completed","item":{"id":"2","type":"command_execution","command":"ls",'
    b'"exit_code":3}}\n'
    b"\x1b]0;garbage\n"
)


def call(command: click.Command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@t.invalid"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    (path / "sub").mkdir(parents=True)
    git(path, "init", "-q", "-b", "main")
    (path / "a.txt").write_text("one\n")
    (path / "sub" / "b.bin").write_bytes(bytes(range(256)))
    git(path, "add", "-A")
    git(path, "commit", "-qm", "base")
    return path


@pytest.fixture
def state(tmp_path: Path, checkout: Path) -> Path:
    """One finished run that changes a.txt, adds a file and changes a binary."""
    path = tmp_path / "state"
    base, base_tree = git(checkout, "rev-parse", "HEAD"), git(checkout, "rev-parse", "HEAD^{tree}")
    (checkout / "a.txt").write_text("two \x1b[31m\n")
    (checkout / "new.sh").write_text("#!/bin/sh\n")
    (checkout / "new.sh").chmod(0o755)
    (checkout / "sub" / "b.bin").write_bytes(bytes(range(255, -1, -1)))
    git(checkout, "add", "-A")
    tree = git(checkout, "write-tree")
    content = subprocess.run(
        ["git", "diff", "--binary", "--full-index", "HEAD", tree],
        cwd=checkout, check=True, capture_output=True,
    ).stdout  # fmt: skip
    git(checkout, "reset", "-q", "--hard")
    finish(path, RUN, content, base, base_tree, tree)
    return path


def finish(
    state: Path, run: str, content: bytes, base: str, base_tree: str, tree: str
) -> RunFolder:
    folder = RunFolder.create(state, RunId(run))
    folder.write(PATCH, content)
    folder.write(EVENTS, LINES)
    report = make_report(run=run)
    assert report.plan is not None
    task = report.plan.task.model_copy(update={"title": EVIL_TITLE})
    patch = Patch(
        base_commit=Oid(base), base_tree=Oid(base_tree), tree=Oid(tree), commit=Oid("c" * 40),
        changes=(), diff_sha256=Sha256(hashlib.sha256(content).hexdigest()),
    )  # fmt: skip
    plan = report.plan.model_copy(update={"task": task})
    folder.seal(report.model_copy(update={"plan": plan, "patch": patch}))
    return folder


def folder(state: Path) -> RunFolder:
    return RunFolder(state / "runs" / RUN)


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_show_tells_the_run_and_its_receipt(state: Path) -> None:
    told = call(show.command, "--state", state).stdout
    assert f"{RUN}: published" in told
    assert "receipt   signature valid, report and patch are the signed ones" in told
    assert str(state / "runs" / RUN) in told
    assert harmless(told)
    as_json = json.loads(call(show.command, RUN[:4], "--state", state, "--json").stdout)
    whole = {"signature": "valid", "why": "", "mismatches": [], "recorded": True}
    assert as_json["receipt"] == whole
    assert as_json["report"]["run"] == RUN


def test_show_tells_tampering(state: Path) -> None:
    def refused(*words: str) -> str:
        done = CliRunner().invoke(show.command, ["--state", str(state), *words])
        assert isinstance(done.exception, RefusedError)
        assert done.exception.exit_code == 1 and RUN in done.exception.problem
        return done.stdout

    folder(state).write(PATCH, b"other")
    assert "BUT CHANGED SINCE: patch" in refused()
    assert json.loads(refused("--json"))["receipt"]["mismatches"] == ["patch"]
    (folder(state).path / "receipt.json").unlink()
    assert "signature absent" in refused()


def test_show_of_a_run_without_report(state: Path) -> None:
    made = RunFolder.create(state, RunId("20261121-1"))
    assert "20261121-1: running, no report yet" in call(show.command, "--state", state).stdout
    made.write(OWNER, b"1:1")
    told = json.loads(call(show.command, "--state", state, "--json").stdout)
    assert (told["condition"], told["report"]) == ("abandoned", None)


def test_list_is_newest_first_and_survives_broken_runs(state: Path) -> None:
    RunFolder.create(state, RunId("20261121-1"))
    RunFolder.create(state, RunId("20261122-1")).write(OWNER, b"1:1")
    RunFolder.create(state, RunId("20261123-1")).write(REPORT, b"garbage")
    told = call(list.command, "--state", state).stdout
    rows = told.splitlines()
    words = [row.split()[:2] for row in rows]
    assert words == [
        ["20261123-1", "unreadable"],
        ["20261122-1", "abandoned"],
        ["20261121-1", "running"],
        [RUN, "published"],
    ]
    assert "Fix\\x1b]0;pwned\\x07 it" in rows[3]
    assert harmless(told)
    as_json = json.loads(call(list.command, "--state", state, "--json").stdout)
    assert [row["conclusion"] for row in as_json] == [word[1] for word in words]
    assert as_json[3]["title"] == EVIL_TITLE


def test_list_of_nothing_is_no_error(tmp_path: Path) -> None:
    done = call(list.command, "--state", tmp_path)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no runs in" in done.stderr
    assert json.loads(call(list.command, "--state", tmp_path, "--json").stdout) == []


def test_logs_told_json_and_raw(state: Path) -> None:
    told = call(logs.command, "--state", state).stdout
    assert told == "  command: ls (exit 3)\n  malformed\n> command: ls \\x1b[2J\n"
    rows = call(logs.command, "--state", state, "--json").stdout.splitlines()
    assert [json.loads(row)["kind"] for row in rows] == [
        "turn", *("command",) * 3, "malformed",
    ]  # fmt: skip
    assert call(logs.command, "--state", state, "--raw").stdout_bytes == LINES
    assert call(logs.command, "--state", state, "--raw", "--json").exit_code == 2


def test_raw_logs_do_not_command_a_terminal(state: Path) -> None:
    ours, theirs = os.openpty()
    argv = [sys.executable, "-m", "runner", "logs", "--raw", "--state", str(state)]
    subprocess.run(argv, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert b"\\x1b]0;garbage" in shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize("indent", [None, 2])
def test_logs_of_a_review_tell_the_judgement(state: Path, indent: int | None) -> None:
    answer = {"nonce": "n", "verdict": "reject", "findings": [], "summary": "it\nhides"}
    item = {"id": "1", "type": "agent_message", "text": json.dumps(answer, indent=indent)}
    event = json.dumps({"type": "item.completed", "item": item}).encode()
    folder(state).write(REVIEW_EVENTS, event)
    told = call(logs.command, "--state", state, "--review").stdout
    assert told == "  message: reject: it hides\n"
    folder(state).write(REVIEW_EVENTS, event.replace(b"verdict", b"words"))
    assert "summary" in call(logs.command, "--state", state, "--review").stdout


def test_diff_in_a_pipe_is_exact_and_applies(state: Path, checkout: Path) -> None:
    exact = call(diff.command, "--state", state).stdout_bytes
    assert exact == (folder(state).path / PATCH).read_bytes()
    assert b"\x1b[31m" in exact
    subprocess.run(["git", "apply", "--check", "-"], cwd=checkout, input=exact, check=True)
    told = json.loads(call(diff.command, "--state", state, "--json").stdout)
    assert told["patch"]["diff_sha256"] == hashlib.sha256(exact).hexdigest()


def test_diff_on_a_terminal_is_sanitised(state: Path) -> None:
    ours, theirs = pty.openpty()
    code = "from runner.cli.diff import command; command()"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "--state", str(state)], stdout=theirs,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # EIO: the other end is closed
        pass
    os.close(ours)
    assert child.wait() == 0
    assert b"+two \\x1b[31m" in shown
    assert b"\x1b" not in shown


def test_apply_changes_and_stages_the_whole_tree(state: Path, checkout: Path) -> None:
    check = call(apply.command, "--state", state, "--directory", checkout, "--check")
    assert "would apply" in check.stdout
    assert git(checkout, "status", "--porcelain") == ""
    done = call(apply.command, "--state", state, "--directory", checkout / "sub", "--json")
    told = json.loads(done.stdout)
    assert (told["applied"], told["already_applied"], told["base_matches"]) == (True, False, True)
    report = json.loads((folder(state).path / REPORT).read_bytes())
    assert git(checkout, "write-tree") == report["patch"]["tree"]
    assert (checkout / "new.sh").stat().st_mode & 0o777 == 0o755


def test_apply_twice_says_so(state: Path, checkout: Path) -> None:
    call(apply.command, "--state", state, "--directory", checkout)
    before = git(checkout, "status", "--porcelain")
    again = call(apply.command, "--state", state, "--directory", checkout)
    assert (again.exit_code, git(checkout, "status", "--porcelain")) == (0, before)
    assert f"is already applied to {checkout}" in again.stdout
    as_json = call(apply.command, "--state", state, "--directory", checkout, "--json")
    told = json.loads(as_json.stdout)
    assert (told["applied"], told["already_applied"]) == (False, True)


def test_apply_runs_nothing_the_checkout_names(state: Path, checkout: Path) -> None:
    marker = checkout.parent / "ran"
    hook = checkout / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {marker}\n")
    hook.chmod(0o755)
    git(checkout, "config", "core.fsmonitor", str(hook))
    call(apply.command, "--state", state, "--directory", checkout)
    assert (checkout / "new.sh").exists()
    assert not marker.exists()


@pytest.mark.parametrize("name", ["a.txt", "new.sh", "sub/b.bin"])
def test_apply_leaves_a_dirty_checkout_alone(state: Path, checkout: Path, name: str) -> None:
    (checkout / name).write_text("mine\n")
    before = git(checkout, "status", "--porcelain")
    with pytest.raises(ConfigError, match="does not apply") as caught:
        call(apply.command, "--state", state, "--directory", checkout)
    assert "nothing was changed" in caught.value.remedy
    assert git(checkout, "status", "--porcelain") == before
    assert (checkout / name).read_text() == "mine\n"


def test_apply_to_another_commit_says_so(state: Path, checkout: Path) -> None:
    (checkout / "c.txt").write_text("c\n")
    git(checkout, "add", "-A")
    git(checkout, "commit", "-qm", "next")
    done = call(apply.command, "--state", state, "--directory", checkout, "--check")
    assert f"but the checkout is at {git(checkout, 'rev-parse', 'HEAD')}" in done.stdout
    (checkout / "a.txt").write_text("three\n")
    git(checkout, "commit", "-qam", "conflict")
    with pytest.raises(ConfigError, match=r"does not apply .* but the checkout is at"):
        call(apply.command, "--state", state, "--directory", checkout)


def test_apply_wants_the_signed_patch(state: Path, checkout: Path) -> None:
    folder(state).write(PATCH, b"diff --git a/x b/x\n")
    with pytest.raises(RefusedError, match="does not vouch for it: changed since"):
        call(apply.command, "--state", state, "--directory", checkout)
    (folder(state).path / "receipt.json").unlink()
    with pytest.raises(RefusedError, match=r"no receipt\.json"):
        call(apply.command, "--state", state, "--directory", checkout)


@pytest.mark.parametrize(
    "content",
    [
        b"diff --git a/../../x b/../../x\nnew file mode 100644\n--- /dev/null\n+++ b/../../x\n"
        b"@@ -0,0 +1 @@\n+x\n",
        b"diff --git a/.git/hooks/x b/.git/hooks/x\nnew file mode 100755\n--- /dev/null\n"
        b"+++ b/.git/hooks/x\n@@ -0,0 +1 @@\n+x\n",
        b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/tmp\n"
        b"\\ No newline at end of file\n"
        b"diff --git a/l/x b/l/x\nnew file mode 100644\n--- /dev/null\n+++ b/l/x\n"
        b"@@ -0,0 +1 @@\n+x\n",
    ],
)
def test_apply_never_writes_outside(tmp_path: Path, checkout: Path, content: bytes) -> None:
    finish(tmp_path / "s", RUN, content, "a" * 40, "b" * 40, "c" * 40)
    with pytest.raises(ConfigError, match="does not apply"):
        call(apply.command, "--state", tmp_path / "s", "--directory", checkout)
    assert git(checkout, "status", "--porcelain") == ""


def test_apply_elsewhere_and_of_nothing(state: Path, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="is not a"):
            call(apply.command, "--state", state, "--directory", place)
    RunFolder.create(tmp_path / "s", RunId(RUN)).seal(make_report(run=RUN, patch=None))
    with pytest.raises(ConfigError, match="kept no patch"):
        call(apply.command, "--state", tmp_path / "s")


@pytest.mark.parametrize("verb", [show, logs, diff, apply])
def test_no_run_and_ambiguous_runs_are_two_lines(verb: object, tmp_path: Path) -> None:
    command = verb.command  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="no runs in"):
        call(command, "--state", tmp_path)
    RunFolder.create(tmp_path, RunId("20261121-1"))
    RunFolder.create(tmp_path, RunId("20261121-2"))
    with pytest.raises(ConfigError, match="fits 2 runs"):
        call(command, "2026", "--state", tmp_path)
    with pytest.raises(ConfigError, match=r"no run .*x"):
        call(command, "../x", "--state", tmp_path)


def test_a_broken_report_is_two_lines(state: Path) -> None:
    folder(state).write(REPORT, b'{"run": 3}')
    with pytest.raises(InfraError, match=r"report\.json of run .* run: ") as caught:
        call(show.command, "--state", state)
    assert isinstance(caught.value, RunnerError)
    assert "another version" in caught.value.remedy


def test_a_suggested_command_finds_the_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODEX_RUNNER_STATE", str(tmp_path / "usual"))
    remedy = f"read why: codex-runner explain {RUN}; the patch is kept"
    assert ending.placed(remedy, ending.state_words(tmp_path / "usual")) == remedy
    told = ending.placed(remedy, ending.state_words(tmp_path / "an other"))
    assert told == remedy.replace(RUN, f"{RUN} --state '{tmp_path}/an other'")
    assert ending.placed("see `codex-runner sweep`", " --state s").endswith("sweep --state s`")
    assert ending.placed(told, " --state s") == told
    for words in ("keys create approver", "keys list --restore", "outcomes sync", "trust"):
        assert ending.placed(f"codex-runner {words}", " --state s").endswith(f"{words} --state s")


def test_where_the_state_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.resolve_state(None) == tmp_path / ".local" / "state" / "codex-runner"
    monkeypatch.setenv("CODEX_RUNNER_STATE", str(tmp_path / "x"))
    assert options.resolve_state(None) == tmp_path / "x"


@pytest.mark.parametrize("verb", [show, list, logs, diff])
def test_a_broken_settings_file_is_no_reason_to_hide_a_run(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: object
) -> None:
    (tmp_path / "codex-runner").mkdir()
    (tmp_path / "codex-runner" / "config.toml").write_text("broken")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "codex-runner")
    command = verb.command  # type: ignore[attr-defined]
    assert call(command, "--state", "../state").exit_code == 0
    monkeypatch.setenv("CODEX_RUNNER_STATE", str(state))
    assert call(command).exit_code == 0
    monkeypatch.delenv("CODEX_RUNNER_STATE")
    with pytest.raises(ConfigError, match=r"config\.toml, line 1"):
        call(command)


@pytest.mark.parametrize("verb", [list, show, sweep])
def test_a_state_that_cannot_be_looked_into_is_two_lines(verb: object, tmp_path: Path) -> None:
    command = verb.command  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="does not exist") as caught:
        call(command, "--state", tmp_path / "absent")
    assert "--state" in caught.value.remedy
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("file", "loop", "file/below"):
        with pytest.raises(ConfigError, match="cannot read"):
            call(command, "--state", tmp_path / name)


def test_another_user_s_state_is_two_lines(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "state").mkdir(parents=True)
    closed.chmod(0)
    mine = os.geteuid()
    if not mine:
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="Permission denied"):
            options.readable_state(closed / "state")
    finally:
        os.seteuid(mine)
        closed.chmod(0o700)


def test_a_pipe_for_a_report_is_told(state: Path) -> None:
    (folder(state).path / REPORT).unlink()
    os.mkfifo(folder(state).path / REPORT)
    assert "unreadable" in call(list.command, "--state", state).stdout
    with pytest.raises(InfraError, match=r"cannot read .*report\.json: not a regular file"):
        call(show.command, "--state", state)
