"""The GitHub Action's script with the real codex-runner, and the files a runner gives a step."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from runner.demo.model import KEY, ScriptedModel
from runner.demo.scenarios import SCENARIOS
from runner.process import Completed, run
from runner.records.report import RunReport
from tests.live.world import World
from tests.unit.test_action import ACTION, Job

pytestmark = pytest.mark.live


def step(world: World, job: Job, scenario: str) -> Completed:
    """One step of a job, in the checkout, with the environment a runner would give it."""
    given = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": "https://github.com",
        "INPUT_TASK": world.task,
        "INPUT_ENGINE": "bubblewrap",
    }
    with ScriptedModel(SCENARIOS[scenario].steps) as model:
        env = {**job.env(), **world.env(model.url), **given}
        del env["CODEX_RUNNER_STATE"], env["CODEX_RUNNER_ENGINE"]
        argv = [sys.executable, "-I", str(ACTION / "entry.py")]
        return run(argv, env=env, cwd=world.sample.repository)


@pytest.fixture
def job(world: World) -> Job:
    home = world.home / "job"
    (home / "temp").mkdir(parents=True)
    world.state.rename(home / "temp" / "codex-runner")
    world.state.symlink_to(home / "temp" / "codex-runner")
    return Job(home)


@pytest.mark.parametrize(
    ("scenario", "code", "conclusion"), [("fix", 0, "published"), ("path", 1, "refused")]
)
def test_a_step(world: World, job: Job, scenario: str, code: int, conclusion: str) -> None:
    done = step(world, job, scenario)
    assert done.code == code, done
    told = job.outputs()
    report = RunReport.model_validate_json(Path(told["report"]).read_bytes())
    assert told["conclusion"] == report.conclusion == conclusion
    if code == 0:
        assert list(world.branches()) == [f"refs/heads/{told['branch']}"]
        assert Path(told["pull-request-url"]).is_file()
    else:
        assert "::error file=.github/" in done.text()
        assert not world.branches() and not told["branch"] + told["pull-request-url"]
    assert job.summary().startswith(f"# Run `{report.run}`: {conclusion}")
    assert done.text().endswith(f"title=codex-runner::{conclusion}, exit status {code}")
    assert KEY not in f"{done} {job.summary()} {told}"
