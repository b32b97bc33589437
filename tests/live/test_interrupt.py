"""^C, SIGTERM and SIGKILL at every stage: nothing goes on, nothing is left, a receipt tells."""

from __future__ import annotations

from collections.abc import Iterator
from signal import SIGINT, SIGKILL, SIGTERM

import pytest

from runner.demo.model import Patch, Say, ScriptedModel, Shell, Stall
from tests.live.world import (
    FIX,
    Ended,
    World,
    both_engines,
    processes,
    stopped_in_review,
    wait_until,
)

pytestmark = pytest.mark.live
MEND = next(step for step in FIX if isinstance(step, Patch))
GENEROUS_S = 10
"""The goal is 2 s; this machine may be busy with other tests."""


@pytest.fixture
def nap(request: pytest.FixtureRequest) -> Iterator[str]:
    """An argument of `sleep` that no other process has."""
    nap = f"600.{abs(hash(request.node.nodeid)) % 10**9}"
    yield nap
    assert not processes(nap)


def check_interrupted(world: World, ended: Ended, seconds: float) -> None:
    assert ended.code == 130, ended
    assert ended.error == ("interrupted", "run the command again; the run's folder is kept")
    assert ended.report.conclusion == "interrupted"
    world.check_signed(ended)
    world.check_tidy()
    assert not world.branches() and not world.requests()
    assert seconds < GENEROUS_S


@both_engines
@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_while_the_agent_works(world: World, nap: str, number: int) -> None:
    steps = (MEND, Shell(f"trap '' INT TERM; sleep {nap}; sleep {nap}"))
    with ScriptedModel(steps) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the agent's command")
        run.signal(number)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)
    assert ended.report.agent and ended.report.agent.exit.stopped == "interrupted"
    assert b"middle" in (ended.path / "patch").read_bytes(), "what there was is kept"


@both_engines
def test_while_the_tests_run(world: World, nap: str) -> None:
    world.ask(test=f"sleep {nap}")
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard("gate secrets")
        run.until(lambda: processes(nap), "the tests")
        run.signal(SIGINT)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)


@both_engines
def test_while_the_reviewer_thinks(world: World) -> None:
    check_interrupted(world, *stopped_in_review(world))


@pytest.mark.parametrize(
    "phase", ["prepare ...", "agent ...", "ingest ...", "gates ...", "gate size"]
)
def test_between(world: World, phase: str) -> None:
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard(phase)
        run.signal(SIGINT)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)


def test_while_it_publishes(world: World) -> None:
    """All of it or nothing: a branch has its request, or is taken back."""
    hook = world.sample.remote / "hooks" / "post-receive"
    hook.write_text("#!/bin/sh\nsleep 1\n")
    hook.chmod(0o755)
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard("publish ...")
        run.until(world.branches, "the push")
        run.signal(SIGINT)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)


@both_engines
def test_twice(world: World, nap: str) -> None:
    steps = (Shell(f"trap '' INT TERM; sleep {nap}; sleep {nap}"),)
    with ScriptedModel(steps) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the agent's command")
        run.signal(SIGINT)
        run.signal(SIGINT)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)


def test_from_a_terminal(world: World) -> None:
    """^C there goes to the whole group; upstream is silent."""
    with ScriptedModel([Stall("headers")]) as model, world.started(model) as run:
        run.until(lambda: model.requests, "a request")
        run.signal(SIGINT, group=True)
        ended = run.end()
    check_interrupted(world, ended, run.seconds)


@both_engines
def test_killed(world: World, nap: str) -> None:
    """Nothing of the run goes on for long, and nothing is left of it."""
    with ScriptedModel([Shell(f"sleep {nap}")]) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the agent's command")
        run.signal(SIGKILL)
        ended = run.end()
    assert ended.folder
    wait_until(lambda: not processes(nap), "the sandbox to die")  # no command came
    wait_until(lambda: not processes(str(world.state)), "the keeper to have cleaned up")
    assert ended.report.conclusion == "abandoned"
    world.check_signed(ended)
    world.check_tidy()
    assert "abandoned" in world.cli("list").text()
    assert world.run(steps=(MEND, Say("Done."))).code == 0
    assert not [path for path in (world.state / "live").iterdir() if path.name != ".guard"]
