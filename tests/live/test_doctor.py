"""`codex-runner doctor` through the real CLI: real engines, real codex, real scanner."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.agent.config import Settings
from runner.agent.understood import ask_codex
from runner.ports import Engine
from runner.process import run
from runner.records.posture import Diagnosis
from tests.live.world import World, both_engines

pytestmark = pytest.mark.live
NOT_REQUIRED = {"branch protection", "telemetry"}


def diagnosed(world: World, *words: str, code: int = 0) -> Diagnosis:
    ended = world.cli("doctor", "--json", *words)
    assert ended.code == code, ended
    return Diagnosis.model_validate_json(ended.stdout)


@both_engines
def test_a_ready_machine(world: World) -> None:
    remembered = (world.state / "tried.json").read_bytes()
    found = diagnosed(world, "--engine", world.engine)
    assert (world.state / "tried.json").read_bytes() == remembered
    (engine,) = found.engines
    assert (engine.engine, engine.chosen, engine.works) == (world.engine, True, True)
    assert engine.enforces("self-test", "no network", "protected paths", "limits in force")
    told = {point.name: point.standing for point in found.readiness}
    assert len(told) == 10
    assert {name for name, standing in told.items() if standing != "enforced"} == NOT_REQUIRED
    assert (told["branch protection"], told["telemetry"]) == ("unknown", "advisory")
    assert {"kernel", "git", "codex", "bubblewrap"} <= {each.name for each in found.versions}
    assert found.ready and not found.problems
    world.check_tidy()


def test_everything_that_is_wrong_is_told_and_nothing_is_raised(world: World) -> None:
    """No docker where the settings require it, and one model for both roles."""
    world.settings["DOCKER_HOST"] = f"unix://{world.home}/none.sock"
    world.settings["CODEX_RUNNER_ENGINE"] = "docker"
    world.settings["CODEX_RUNNER_MODEL"] = "gpt-5.5"
    world.settings["CODEX_RUNNER_REVIEWER_MODEL"] = "gpt-5.5"
    ended = world.cli("doctor", "--json")
    assert ended.code == 3, ended
    problem, remedy = ended.stderr.decode().splitlines()
    assert problem.startswith("error: docker: engine: no docker engine answers")
    assert remedy.startswith("try: ")
    found = Diagnosis.model_validate_json(ended.stdout)
    absent, present = found.engines
    assert (absent.engine, absent.chosen, absent.works) == ("docker", True, False)
    assert absent.guarantees[0].standing == "unavailable" and absent.guarantees[0].remedy
    assert (present.engine, present.chosen, present.works) == ("bubblewrap", False, True)
    points = {point.name: point for point in found.readiness}
    assert points["cross-model review"].failed and points["network"].failed
    assert points["branch protection"].standing == "unknown"
    assert points["network"].standing == points["login shell"].standing == "unknown"
    assert points["network"].remedy == absent.guarantees[0].remedy
    assert len(found.problems) > 3


def test_a_repository_that_was_named_has_to_be_one(world: World) -> None:
    for directory in (world.home, world.home / "absent"):
        ended = world.cli("doctor", "-C", os.fspath(directory))
        assert ended.code == 2, ended
        assert os.fspath(directory).encode() in ended.stderr and not ended.stdout


def test_a_run_refuses_a_machine_that_leaks(world: World) -> None:
    """The posture is looked at before the session, and the guarantee is named."""
    (world.state / "tried.json").unlink()
    code = (
        "from runner.sandbox import bubblewrap_spec as spec; whole = spec.arguments;"
        "spec.arguments = lambda *given: [*whole(*given), '--setenv', 'LEAK', 'canary'];"
        "import sys; sys.argv[1:] = ['run', '--dry-run', sys.argv[1]];"
        "from runner.cli.main import main; main()"
    )
    ended = run(
        [sys.executable, "-c", code, world.task], env=world.env(), cwd=world.sample.repository
    )
    problem = ended.stderr.decode()
    assert ended.code == 3, ended
    assert "clean environment: adds LEAK" in problem
    assert "engine bubblewrap" not in (world.state / "tried.json").read_text()


@pytest.mark.parametrize("inner", [True, False])
def test_codex_says_what_it_understood(engine: Engine, tmp_path: Path, inner: bool) -> None:
    chosen = Settings("gpt-5.5", "agent", inner, engine.path)
    understood = ask_codex(engine, chosen, tmp_path)
    config: dict[str, Any] = json.loads(json.dumps(dict(understood.config)))
    assert (config["approval_policy"], config["sandbox_mode"]) == ("never", chosen.mode)
    assert understood.requirements["allowedSandboxModes"] == ["read-only", chosen.mode]
