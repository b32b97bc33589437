"""Scenes for whole runs under attack, and engines for single commands."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.process import clean_env, run
from runner.records.sandbox import EngineName
from tests.contracts.conftest import Probe
from tests.hostile.engines import make_engine
from tests.hostile.scene import Scene, Stage


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, warm_scanner: Path) -> Stage:
    warm = tmp_path_factory.mktemp("warm")
    shutil.copytree(warm_scanner, warm / "scanner")
    return Stage(None, warm, {})


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    """bubblewrap unless a test asks for both; skipped, with the reason, where it does not work."""
    name: EngineName = getattr(request, "param", "bubblewrap")
    failed = [c for c in make_engine(name).checks() if c.required and not c.ok]
    if failed:
        pytest.skip(f"{name} does not work here: {failed[0].name}: {failed[0].detail}")
    return name


@pytest.fixture
def scene(stage: Stage, engine_name: EngineName) -> Iterator[Scene]:
    with stage.scene(engine_name) as scene:
        yield scene


@pytest.fixture
def probe(engine_name: EngineName, tmp_path: Path) -> Probe:
    """Single commands in that engine, where no codex is needed."""
    return Probe(make_engine(engine_name), tmp_path.resolve())


def plainly(script: str, where: Path, env: dict[str, str] | None = None) -> str:
    """What a probe prints where nothing holds it: every test's positive control."""
    done = run([sys.executable, "-I", "-c", script], env=clean_env(env or {}), cwd=where)
    return done.text()
