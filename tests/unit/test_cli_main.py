"""Every wrong command line ends in two lines and exit code 2."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.system import refusal
from runner.ledger.folder import RunFolder
from runner.process import Completed, run
from runner.records.base import RunId

PACKAGE = Path(__file__).parents[2]


def cli(*words: str) -> Completed:
    return run([sys.executable, "-m", "runner", *words], cwd=PACKAGE)


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (("run", "--enginee", "x"), "No such option", "codex-runner run --help"),
        (("run", "--engine", "x", "y"), "'--engine'", "codex-runner run --help"),
        (("run",), "give one of: TASK", "codex-runner run --help"),
        (("run", "t.md", "--prompt", "x"), "give one of: TASK", "codex-runner run --help"),
        (("run", "-p", "x", "--replay=a", "--record=b"), "--record", "codex-runner run --help"),
        (("images", "build", "--tag", "x"), "NAME:VERSION", "codex-runner images build --help"),
        (("rum",), "No such command", "codex-runner --help"),
    ],
)
def test_usage_errors_are_two_lines(words: tuple[str, ...], problem: str, remedy: str) -> None:
    done = cli(*words)
    error, hint = done.stderr.decode().splitlines()
    assert (done.code, done.stdout) == (2, b"")
    assert error.startswith("error: ") and problem in error
    assert hint == f"try: {remedy}"


def test_engine_and_forge_are_described() -> None:
    words = " ".join(cli("run", "--help").text().split())
    assert "docker when it and its image are there, else bubblewrap" in words
    assert "Where the request is opened" in words


@pytest.mark.parametrize("words", [("drill", "--list"), ("policy", "schema"), ("list",)])
def test_a_reader_that_left_is_no_refusal(tmp_path: Path, words: tuple[str, ...]) -> None:
    RunFolder.create(tmp_path, RunId("20261121-101112-abcdef"))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "runner", *words]
    env = {**os.environ, "CODEX_RUNNER_STATE": str(tmp_path)}
    done = subprocess.run(
        command, cwd=PACKAGE, env=env, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_closed_stream_leads_nowhere(tmp_path: Path, closed: str) -> None:
    for words, code in (("list", 0), ("show nope", 2)):
        script = f'"$0" -m runner {words} {closed}'
        env = {"CODEX_RUNNER_STATE": str(tmp_path)}
        done = run(["sh", "-c", script, sys.executable], cwd=PACKAGE, env=env)
        assert (done.code, b"Traceback" in done.stderr) == (code, False)


def test_what_may_not_be_used_is_no_bug() -> None:
    denied = refusal(PermissionError(errno.EACCES, "Permission denied", "/state/.opening"))
    assert denied is not None and denied.exit_code == 3
    assert denied.lines()[0] == "error: cannot use /state/.opening: Permission denied"
    full = refusal(OSError(errno.ENOSPC, "No space left on device"))
    assert full is not None and "disk full" in full.problem
    assert refusal(PermissionError(errno.EPERM, "Operation not permitted")) is None
    assert refusal(OSError(errno.EBADF, "Bad file descriptor", "/state/x")) is None


@pytest.mark.parametrize("verb", ["show", "diff", "apply", "explain", "approve", "resume"])
def test_a_remedy_finds_the_state_that_was_named(tmp_path: Path, verb: str) -> None:
    RunFolder.create(tmp_path, RunId("20261121-101112-abcdef"))
    done = cli(verb, "nope", "--state", str(tmp_path))
    assert done.code == 2
    assert f"`codex-runner list --state {tmp_path}`" in done.stderr.decode()


def test_the_attacks_as_json() -> None:
    attacks = json.loads(cli("drill", "--list", "--json").stdout)
    assert {"attack", "about"} == {*attacks[0]}
    assert len(attacks) == len(cli("drill", "--list").stdout.splitlines())
