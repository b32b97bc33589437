"""The kill switch on real runs: what runs is dead, what would begin does not, until a lift."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGSTOP
from threading import Event

import pytest

from runner.demo.model import Patch, ScriptedModel, Shell, verdict
from tests.live.world import (
    DEADLINE_S,
    FIX,
    Ended,
    Started,
    World,
    both_engines,
    processes,
    wait_until,
)

pytestmark = pytest.mark.live
MEND = next(step for step in FIX if isinstance(step, Patch))


@pytest.fixture
def nap(request: pytest.FixtureRequest) -> Iterator[str]:
    """An argument of `sleep` that no other process has."""
    nap = f"600.{abs(hash(request.node.nodeid)) % 10**9}"
    yield nap
    assert not processes(nap)


@contextmanager
def working(world: World, nap: str) -> Iterator[Started]:
    """A run whose agent has changed something, and lets a command run that heeds no signal."""
    steps = (MEND, Shell(f"trap '' INT TERM; sleep {nap}; sleep {nap}"))
    with ScriptedModel(steps) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the agent's command")
        yield run


def kill(world: World, *words: str) -> dict[str, object]:
    """`kill WORDS`, which proves what it says."""
    done = world.cli("kill", *words, "--reason", "it loops", "--json")
    told: dict[str, object] = json.loads(done.stdout)
    assert done.code == 0 and told["proved"] is True and told["left"] == [], done
    return told


def check_halted(world: World, ended: Ended) -> None:
    world.check_failed(ended, 4, "is halted: it loops", "by user:")
    assert ended.report.conclusion == "halted"
    assert "kill lift" in ended.error[1]


@both_engines
def test_while_the_agent_works(world: World, nap: str) -> None:
    with working(world, nap) as run:
        told = kill(world, "--all")
        assert not processes(nap)
        ended = run.end()
    assert told["runs"] == [ended.report.run] and told["receipt_id"]
    check_halted(world, ended)
    assert ended.report.agent and ended.report.agent.exit.stopped == "halted"
    assert b"middle" in (ended.path / "patch").read_bytes(), "what there was is kept"


@both_engines
def test_a_runner_that_hangs_is_killed(world: World, nap: str) -> None:
    with working(world, nap) as run:
        run.signal(SIGSTOP)
        told = kill(world, "--all")
        assert not processes(nap)
        assert run.child.poll() is not None
        ended = run.end()
    assert told["runs"] == [ended.report.run]
    assert ended.report.conclusion == "abandoned"
    world.check_signed(ended)
    world.check_tidy()


def test_a_kill_lasts_until_an_approver_lifts_it(world: World, nap: str) -> None:
    with working(world, nap) as run:
        told = kill(world, "--repo", ".")
        ended = run.end()
    given: dict[str, str] = told["kill"]  # type: ignore[assignment]
    assert given["subject"] == str(world.sample.repository)
    for file in (world.state / "kill").iterdir():
        file.unlink()  # that lifts nothing: the ledger has it
    check = ("check", "--no-review", str(ended.path / "patch"))
    for verb in (("run", world.task), check, ("resume", ended.report.run)):
        refused = world.cli(*verb)
        assert refused.code == 4, refused
        assert b"it loops" in refused.stderr and given["id"].encode() in refused.stderr
    assert not world.branches()
    assert b"it loops" in world.cli("kill", "list").stdout
    lift = ("kill", "lift", given["id"], "--reason", "mended")
    assert world.cli(*lift).code == 2, "nobody is an approver"
    assert world.cli("keys", "create", "approver").code == 0
    assert world.cli(*lift).code == 0
    assert world.cli("kill", "list").stdout == b""
    assert world.run(steps=FIX).code == 0


def test_one_that_means_another_run_stops_nothing(world: World) -> None:
    thinking, released = Event(), Event()

    def review(prompt: str) -> str:
        thinking.set()
        released.wait(DEADLINE_S)
        return verdict(prompt)

    with ScriptedModel(FIX, review=review) as model, world.started(model) as run:
        assert thinking.wait(DEADLINE_S)
        others = (
            ("--run", "20201120-102233-7f3a9c"),
            ("--repo", str(world.home)),
            ("--key", "0" * 64),
        )
        for words in others:
            assert kill(world, *words)["runs"] == []
        released.set()
        ended = run.end()
    assert ended.code == 0, ended


@pytest.mark.parametrize("phase", ["agent ...", "gate size"])
def test_between(world: World, phase: str) -> None:
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard(phase)
        kill(world, "--all")
        ended = run.end()
    check_halted(world, ended)


def test_while_it_publishes(world: World) -> None:
    """The branch that is there already is taken back."""
    hook = world.sample.remote / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nmkdir slow && sleep 30\n")  # the first time
    hook.chmod(0o755)
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard("publish ...")
        run.until(world.branches, "the push")
        kill(world, "--all")
        ended = run.end()
    check_halted(world, ended)


@pytest.mark.parametrize("where", ["STOP", "kill_file"])
def test_a_plain_file_stops_what_runs(world: World, nap: str, tmp_path: Path, where: str) -> None:
    extra = tmp_path / "ops-stop"
    world.settings["CODEX_RUNNER_KILL_FILE"] = str(extra)
    file = extra if where == "kill_file" else world.state / "kill" / "STOP"
    with working(world, nap) as run:
        file.parent.mkdir(exist_ok=True, mode=0o700)
        file.touch()
        wait_until(lambda: not processes(nap), "the agent's death")
        ended = run.end()
    world.check_failed(ended, 4, str(file))
    assert str(file) in world.cli("kill", "list").text()
    assert world.run().code == 4
    file.unlink()
    assert world.cli("kill", "list").stdout == b""


@both_engines
def test_the_drill_measures_all_of_it(world: World) -> None:
    done = world.cli("kill", "--drill", "--engine", world.engine, "--json")
    assert done.code == 0, done
    told = json.loads(done.stdout)
    assert told["left"] == [] and 0 < told["denied_ms"] <= told["proved_ms"]
    assert not list(world.temporary.iterdir())


def test_a_ledger_that_fails_is_told_and_the_kill_holds(world: World) -> None:
    (world.state / "ledger").write_text("no directory")
    done = world.cli("kill", "--all", "--reason", "it loops", "--json")
    told = json.loads(done.stdout)
    assert done.code == 3 and told["proved"] is False, done
    assert any("ledger" in each for each in told["left"]) and told["receipt_id"] is None
    (world.state / "ledger").unlink()
    assert world.run().code == 4
    assert told["kill"]["id"].encode() in world.cli("kill", "list").stdout


def test_what_is_no_kill_says_so(world: World) -> None:
    for words in ((), ("--all",), ("--all", "--run", "x", "--reason", "y"), ("--agent", "codex")):
        done = world.cli("kill", *words)
        assert done.code == 2 and b"Traceback" not in done.stderr, done
    assert world.cli("kill", "--policy", "abc", "--reason", "y").code == 2
    assert not (world.state / "kill").exists()
