"""`codex-runner demo`: every scenario ends as it says, and what it leaves is evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.demo.scenarios import SCENARIOS
from runner.process import Completed
from runner.records.report import RunReport
from tests.live.world import World, both_engines

pytestmark = pytest.mark.live


def demo(world: World, *words: str) -> tuple[Completed, Path]:
    """One demo in a directory of its own; the settings of the person must not matter."""
    world.settings |= {"CODEX_RUNNER_UPSTREAM": "https://example.invalid", "OPENAI_API_KEY": ""}
    directory = world.home / "demo"
    return world.cli("demo", "--directory", str(directory), *words), directory


@both_engines
def test_fix(world: World) -> None:
    done, directory = demo(world, "--engine", world.engine)
    assert done.code == 0, done.stderr.decode()
    told = done.stdout.decode()
    for part in (
        "# median() is wrong for an even number of values",
        "| review | **passed** |",
        "python3 -m unittest -q: exit code 0",
        f"repository  {directory}/tally",
        f"remote      {directory}/remote.git",
        "demo fix: the bug is fixed; published, as it should be",
    ):
        assert part in told
    shown = json.loads(world.cli("show", "--json", "--state", str(directory / "state")).stdout)
    assert shown["receipt"] == {"signature": "valid", "why": "", "mismatches": [], "recorded": True}
    report = RunReport.model_validate_json(json.dumps(shown["report"]))
    assert report.plan and report.patch and report.plan.engine == world.engine
    remote = world.git("rev-parse", f"refs/heads/{report.plan.branch}", at=directory / "remote.git")
    assert remote == report.patch.commit


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "fix"])
def test_a_gate_refuses(world: World, scenario: str) -> None:
    done, directory = demo(world, "--scenario", scenario)
    assert done.code == 0, done.stderr.decode()
    told, gate = done.stdout.decode(), SCENARIOS[scenario].refused_by[0]
    assert f"  refused   {gate}" in told and f"refused by {gate}, as it should be" in told
    assert done.stderr.decode().split("\n")[-3].startswith(f"error: refused by: {gate}")
    assert len([*directory.glob("state/runs/*/patch")]) == 1, "the patch is kept"
    refs = world.git("for-each-ref", "--format=%(refname)", at=directory / "remote.git")
    assert refs == "refs/heads/main" and not (directory / "remote.git.requests").exists()


def test_json(world: World) -> None:
    done, directory = demo(world, "--json")
    assert (done.code, done.stderr) == (0, b""), done
    report = RunReport.model_validate_json(done.stdout)
    assert report.conclusion == "published"
    assert (directory / "state" / "runs" / report.run / "receipt.json").is_file()


def test_only_into_an_empty_directory(world: World) -> None:
    (world.home / "demo").mkdir()
    (world.home / "demo" / "mine").touch()
    done, directory = demo(world)
    assert done.code == 2 and b"not an empty directory\ntry: " in done.stderr
    assert [path.name for path in directory.iterdir()] == ["mine"]
