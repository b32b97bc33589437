"""What `init` writes, read by those it is written for: a run, and the analyser of workflows."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from runner.process import clean_env, run
from runner.records.plan import Plan
from runner.starter import task_text, workflow_text
from tests.live.world import World

pytestmark = pytest.mark.live


def test_a_run_takes_what_init_wrote(world: World) -> None:
    told = world.cli("init", "--yes", "--json")
    assert told.code == 0, told
    assert json.loads(told.stdout)["found"]["test"]["command"] == "python3 -m unittest -q"
    world.commit("codex-runner init")
    done = world.cli("run", "--dry-run", task_text.PATH)
    assert done.code == 0, done
    plan = Plan.model_validate_json(done.stdout)
    assert plan.test == "python3 -m unittest -q"
    assert plan.paths == ("**/*.md",)
    assert (plan.limits.files, plan.limits.lines, plan.limits.attempts) == (5, 100, 2)
    assert plan.dependencies.new == "refuse"
    assert not plan.notes


def test_a_run_with_the_policy_init_wrote(world: World) -> None:
    """The agent mends the sample: the policy lets an honest change through."""
    assert world.cli("init", "--yes").code == 0
    world.commit("codex-runner init")
    ended = world.run(world.task)
    assert ended.code == 0, ended
    assert set(ended.gates.values()) == {"passed"}


def test_the_workflow_has_no_finding(tmp_path: Path) -> None:
    zizmor = shutil.which("zizmor", path=str(Path(sys.executable).parent))
    if zizmor is None:
        pytest.skip("zizmor is not installed: pip install '.[static]'")
    place = tmp_path / workflow_text.PATH
    place.parent.mkdir(parents=True)
    place.write_text(workflow_text.TEXT)
    asked = ("--offline", "--no-config", "--persona=auditor", "--format=json-v1", place)
    done = run([zizmor, *asked], env=clean_env({"HOME": str(tmp_path)}))
    assert (done.code, json.loads(done.stdout)) == (0, []), done
