"""What can be wrong outside: two lines with a remedy, the right exit code, a kept run folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

import pytest

from runner.demo.model import ScriptedModel, Shell, Stall, Status, Step
from runner.errors import BudgetError, ConfigError, InfraError
from runner.process import run
from runner.records.report import RunReport
from tests.live.world import CLI, FIX, World, both_engines

pytestmark = pytest.mark.live
CONFIG, INFRA, BUDGET = ConfigError.exit_code, InfraError.exit_code, BudgetError.exit_code

TASKS = {
    "unknown key": (b"+++\ntittle = 'x'\n+++\nDo it.\n", "line 2: tittle"),
    "doubled key": (b"+++\ntitle = 'x'\ntitle = 'y'\n+++\nDo it.\n", "line 3"),
    "NUL": (b"+++\n+++\nDo \0 it.\n", "line 3"),
    "Latin-1": (b"+++\n+++\nM\xe4h.\n", "UTF-8"),
    "too large": (b"+++\n+++\n" + b"x" * (1024 * 1024), "larger than"),
    "no end": (b"+++\ntitle = 'x'\n", "line 1"),
    "wrong type": (b"+++\n[limits]\nlines = 'many'\n+++\nDo it.\n", "line 3: limits.lines"),
    "no body": (b"+++\n+++\n", "no body"),
    "empty": (b"", "no body"),
}


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("door", ["file", "stdin"])
def test_a_task_that_is_none(world: World, kind: str, door: str) -> None:
    content, word = TASKS[kind]
    world.sample.task.write_bytes(content)
    ended = world.run_with(None, *(["-"] if door == "stdin" else []), stdin=content)
    assert ended.code == CONFIG and word in ended.error[0], ended
    assert ended.folder is None and not (world.state / "runs").exists(), "nothing was started"


@pytest.mark.parametrize(
    "words",
    [[], ["task.md", "--prompt", "x"], ["--enginee", "docker", "x"], ["--engine", "x", "y"]],
)
def test_a_command_line_that_is_none(world: World, words: list[str]) -> None:
    done = world.cli("run", *words)
    ended = world.ended(done.code, done.stdout, done.stderr)
    assert ended.code == CONFIG and "Traceback" not in ended.stderr
    assert ended.error[1] == "codex-runner run --help" and ended.folder is None, ended


def test_a_task_file_that_is_not_there(world: World) -> None:
    ended = world.run_with(None, "/nowhere/task.md")
    assert (ended.code, ended.folder) == (CONFIG, None)
    assert "/nowhere/task.md: no such file" in ended.error[0]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ENGINE", "podman"), ("MODELL", "x"), ("UPSTREAM", "ftp://x"), ("STATE", "relative")],
)
def test_a_setting_that_is_wrong(world: World, variable: str, value: str) -> None:
    world.settings[f"CODEX_RUNNER_{variable}"] = value
    ended = world.run_with(None)
    assert (ended.code, ended.folder) == (CONFIG, None)
    assert f"CODEX_RUNNER_{variable}" in ended.error[0]


def no_repository(world: World) -> None:
    shutil.rmtree(world.sample.repository / ".git")


def no_directory(world: World) -> None:
    shutil.rmtree(world.sample.repository)


def no_commit(world: World) -> None:
    no_repository(world)
    world.git("init", "-q", at=world.sample.repository)


def dirty(world: World) -> None:
    (world.sample.repository / "tally" / "stats.py").write_text("mine\n")


def unpublished_base(world: World) -> None:
    (world.sample.repository / "draft.py").touch()
    world.commit("Not for others yet", push=False)


def no_target(world: World) -> None:
    world.ask(target="release")


def nobody_vouched(world: World) -> None:
    world.settings["CODEX_RUNNER_FORGE"] = "auto"


def unknown_base(world: World) -> None:
    world.ask(base="no-such-branch")


def no_remote(world: World) -> None:
    world.git("remote", "remove", "origin", at=world.sample.repository)


def strange_remote(world: World) -> None:
    world.git("remote", "set-url", "origin", "ext::sh -c id", at=world.sample.repository)


def bare(world: World) -> None:
    no_directory(world)
    world.git("clone", "-q", "--bare", str(world.sample.remote), str(world.sample.repository))
    world.git("remote", "remove", "origin", at=world.sample.repository)


def no_key(world: World) -> None:
    world.settings["OPENAI_API_KEY"] = ""


def no_tests(world: World) -> None:
    world.sample.task.write_text("Mend it\n")


def bad_policy(world: World) -> None:
    (world.sample.repository / ".codex-runner.toml").write_text("[limits]\nline = 3\n")
    world.commit("Ask for something")


def itself_as_reviewer(world: World) -> None:
    world.ask(reviewer_model="gpt-5.5")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (no_repository, ("not a git repository",)),
        (no_directory, ("does not exist",)),
        (no_commit, ("has no commit yet",)),
        (dirty, ("uncommitted changes: tally/stats.py",)),
        (unpublished_base, ("commits that", "lacks")),
        (no_target, ("no branch release",)),
        (nobody_vouched, ("its hooks run as you",)),
        (unknown_base, ("no-such-branch", "is unknown")),
        (no_remote, ("no remote",)),
        (strange_remote, ("ext::",)),
        (bare, ("no remote",)),
        (no_key, ("OPENAI_API_KEY",)),
        (no_tests, ("no test command",)),
        (bad_policy, (".codex-runner.toml", "line 2")),
        (itself_as_reviewer, ("gpt-5.5 would review its own work",)),
    ],
)
def test_nothing_can_begin(
    world: World, break_it: Callable[[World], None], words: tuple[str, ...]
) -> None:
    break_it(world)
    where = ("-C", str(world.sample.repository))
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model, *where, world.task)
    world.check_failed(ended, CONFIG, *words)
    assert not model.requests


def test_json_is_all_there_is(world: World) -> None:
    """A failure after the start is a report on stdout; one before it is two lines and no report."""
    no_key(world)
    ended = world.run_with(None, "--json", world.task)
    assert (ended.code, ended.stderr) == (CONFIG, "")
    assert RunReport.model_validate_json(ended.stdout) == ended.report
    world.check_signed(ended)
    world.sample.task.write_bytes(b"")
    ended = world.run_with(None, "--json", world.task)
    assert (ended.code, ended.stdout, ended.folder) == (CONFIG, "", None) and ended.error


@both_engines
@pytest.mark.parametrize(
    ("limits", "steps", "code", "word"),
    [
        ({"requests": 1}, FIX, BUDGET, "requests 1"),
        ({"tool_calls": 1}, FIX, BUDGET, "tool_calls 1"),
        ({"history_items": 4}, FIX, BUDGET, "history_items 4"),
        ({"output_tokens": 20}, FIX, BUDGET, "output_tokens"),
        ({"wall_s": 2}, (Stall("headers"),), BUDGET, "wall"),
        ({"wall_s": 2}, (Shell("sleep 600"),), BUDGET, "wall"),
        ({"idle_s": 1}, (Stall("stream"),), BUDGET, "idle"),
        ({}, (Status(500),), INFRA, "upstream failed (500)"),
        ({}, (Status(401, "no"),), INFRA, "refused the key"),
        ({}, (Status(404, "no"),), INFRA, "404"),
    ],
)
def test_the_session_fails(
    world: World, limits: dict[str, int], steps: tuple[Step, ...], code: int, word: str
) -> None:
    world.ask(limits=limits)
    ended = world.run(steps=steps)
    world.check_failed(ended, code, word)
    assert ended.report.agent and not ended.report.agent.ok
    assert (ended.path / "events.jsonl").exists() and (ended.path / "broker.jsonl").exists()


def test_what_a_failed_session_did_is_kept(world: World) -> None:
    world.ask(limits={"requests": 3})
    ended = world.run(steps=FIX)
    world.check_failed(ended, BUDGET, "requests 3")
    assert b"middle" in (ended.path / "patch").read_bytes()


def test_a_reviewer_who_cannot_be_reached(world: World) -> None:
    """The gate cannot decide: that is no refusal, and no approval either."""

    def hang_up(prompt: str) -> str:
        raise ConnectionError

    with ScriptedModel(FIX, review=hang_up) as model:
        ended = world.run_with(model)
    world.check_failed(ended, INFRA, "gpt-5.6-sol could not be used")


@both_engines
def test_upstream_is_not_there(world: World) -> None:
    world.check_failed(world.run_with(None), INFRA, "gpt-5.5 could not be used", "unreachable")


def test_no_engine_answers(world: World) -> None:
    world.settings |= {"DOCKER_HOST": f"unix://{world.home}/no.sock"}
    ended = world.run_with(None, "--engine", "docker", world.task)
    world.check_failed(ended, INFRA, "no docker engine answers", "no.sock")


@pytest.mark.docker
@pytest.mark.parametrize("engine_name", ["docker"], indirect=True)
def test_the_image_is_not_there(world: World) -> None:
    world.settings |= {"CODEX_RUNNER_IMAGE": "codex-runner:absent"}
    ended = world.run_with(None)
    world.check_failed(ended, INFRA, "codex-runner:absent")
    assert "codex-runner images build" in " ".join(ended.error)


def test_a_rootfs_that_is_none(world: World) -> None:
    (world.home / "rootfs").mkdir()
    world.settings |= {"CODEX_RUNNER_ROOTFS": str(world.home / "rootfs")}
    world.check_failed(world.run_with(None), INFRA, "bubblewrap")


def fake_codex(world: World, body: str) -> None:
    (world.home / "python").mkdir()
    (world.home / "python" / "codex_cli_bin.py").write_text(body)
    world.settings |= {"PYTHONPATH": str(world.home / "python")}


def test_codex_is_not_there(world: World) -> None:
    fake_codex(world, "raise ImportError('codex_cli_bin')")
    ended = world.run_with(None)
    world.check_failed(ended, INFRA, "codex is not installed")
    assert "pip install openai-codex-cli-bin==" in ended.error[1]


@pytest.mark.parametrize(("told", "says"), [("0.162.0", "0.162.0"), ("0.163.0", "0.162.0")])
def test_another_codex(world: World, told: str, says: str) -> None:
    root = world.home / "codex"
    (root / "bin").mkdir(parents=True)
    (root / "codex-package.json").write_text(json.dumps({"version": told}))
    (root / "bin" / "codex").write_text(f"#!/bin/sh\necho codex-cli {says}\n")
    (root / "bin" / "codex").chmod(0o755)
    fake_codex(world, f"bundled_package_dir = lambda: {str(root)!r}")
    ended = world.run_with(None)
    world.check_failed(ended, INFRA, "codex", "0.162.0")
    assert "pip install openai-codex-cli-bin==0.163.0" in ended.error[1]


FULL = """\
mount -t tmpfs -o mode=700,size="$1"k none "$2" && cp -a "$3"/* "$2" || exit 99
dd if=/dev/zero of="$2"/ballast bs=4k 2> /dev/null; truncate -s -"$4"k "$2"/ballast
state=$2 kept=$3; shift 4; "$@"; code=$?; exec 2> /dev/null
cp -a "$state"/runs "$state"/keys "$kept"; ls -A "$state"/live > "$kept"/live
exit $code
"""
"""Runs a command with `$2` on a small file system that has `$4` KiB left; keeps what it leaves."""


@pytest.mark.parametrize("left_kib", [8, 116, 1064, 1096, 1140])
def test_the_disk_is_full(world: World, left_kib: int) -> None:
    """Before there is a folder of the run, before there is a plan, after it, as the agent works."""
    kept = world.state.rename(world.home / "kept")
    world.state.mkdir()
    uid, gid = os.geteuid(), os.getegid()
    root = "-Urm" if uid else "-m"  # only root mounts, and the run must not be
    itself = ["unshare", "-U", f"--map-user={uid}", f"--map-group={gid}"] if uid else []
    size = 4096 + sum(path.stat().st_size for path in kept.rglob("*")) // 1024
    argv = [str(size), str(world.state), str(kept), str(left_kib), *itself, *CLI, "run", world.task]
    with ScriptedModel(FIX) as model:
        env, here = world.env(model.url), world.sample.repository
        done = run(["unshare", root, "sh", "-c", FULL, "sh", *argv], env=env, cwd=here)
    world.state.rmdir()
    kept.rename(world.state)
    ended = world.ended(done.code, done.stdout, done.stderr)
    assert ended.code == INFRA and "Traceback" not in ended.stderr, ended
    assert any(word in ended.error[0] for word in ("No space left", "disk full")), ended.error
    assert (ended.folder is None) == (left_kib < 1024), "its reserve comes first"
    if ended.folder is not None and (ended.path / "receipt.json").exists():
        world.check_signed(ended)
        assert ended.report.exit_code == INFRA
    assert not world.branches() and not world.requests()
    assert (world.state / "live").read_text() in {"", ".guard\n"}
    assert not list(world.temporary.iterdir())
