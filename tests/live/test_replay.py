"""A session recorded once is told again without a model, a key or the network."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from runner.demo.model import KEY, ScriptedModel
from tests.live.world import FIX, World

pytestmark = pytest.mark.live


def recorded(world: World, directory: Path) -> str:
    """The tree of the recorded run."""
    ended = world.run("--record", str(directory), world.task, steps=FIX)
    assert ended.code == 0, ended
    assert ended.report.patch is not None
    return ended.report.patch.tree


def without_a_key(world: World) -> World:
    world.settings["CODEX_RUNNER_KEY"] = "env:NOT_SET_ANYWHERE"
    return world


def test_the_same_tree_comes_out(world: World, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    tree = recorded(world, kept)
    files = sorted(kept.iterdir())
    assert len(files) >= 3  # author's and reviewer's requests
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(KEY not in file.read_text() for file in files)
    again = without_a_key(world).run_with(None, "--replay", str(kept), world.task)
    assert (again.code, again.report.conclusion) == (0, "judged"), again
    assert again.report.patch is not None and again.report.patch.tree == tree
    assert again.report.plan is not None and again.report.plan.upstream == f"replay:{kept}"
    assert again.report.publication is None


def test_another_session_is_told_apart_at_once(world: World, tmp_path: Path) -> None:
    recorded(world, tmp_path / "kept")
    world.ask(title="Mend something else")
    other = without_a_key(world).run_with(None, "--replay", str(tmp_path / "kept"), world.task)
    assert other.code == 3
    assert "not the recorded session: request 1: input[" in other.error[0]


def test_what_cannot_be_recorded_or_replayed(world: World, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "0001.json").write_text(json.dumps({"status": 200}))
    with ScriptedModel(FIX) as model:
        used = world.run_with(model, "--record", str(tmp_path / "full"), world.task)
        assert model.requests == []
    assert (used.code, "is not empty" in used.error[0]) == (2, True)
    damaged = world.run_with(None, "--replay", str(tmp_path / "full"), world.task)
    assert (damaged.code, "not a recorded exchange" in damaged.error[0]) == (2, True)
    absent = world.run_with(None, "--replay", str(tmp_path / "absent"), world.task)
    assert (absent.code, "holds no recording" in absent.error[0]) == (2, True)
