"""Real codex, real sandboxes, the real broker, a scripted model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from runner.broker.keys import Key
from runner.broker.lender import Broker
from runner.broker.upstream import Upstream
from runner.demo.model import ScriptedModel
from runner.demo.sample import make_sample
from runner.errors import InfraError
from runner.ports import Engine, Lease
from runner.records.sandbox import EngineName, Overlay
from runner.records.usage import Budget
from runner.sandbox import codex_package
from runner.sandbox import relay as relay_script
from runner.sandbox.bubblewrap import BubblewrapEngine
from runner.sandbox.docker import DockerEngine
from tests.live.world import World


@pytest.fixture(params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both engines; one whose checks fail on this machine is skipped with their words."""
    package = codex_package.locate()
    docker = request.param == "docker"
    chosen: Engine = DockerEngine(package) if docker else BubblewrapEngine(package)
    failed = [f"{c.name}: {c.detail}" for c in chosen.checks() if c.required and not c.ok]
    if failed:
        pytest.skip(f"{request.param} does not work here: {'; '.join(failed)}")
    return chosen


@pytest.fixture
def relay() -> Path:
    return Path(relay_script.__file__)


@pytest.fixture
def overlay(engine: Engine, tmp_path: Path) -> Overlay:
    """The sample as a workspace, made by hand."""
    sample = make_sample(tmp_path)
    covers = {name: tmp_path / "covers" / name for name in (".git", ".codex", ".agents")}
    for cover in covers.values():
        cover.mkdir(parents=True)
    shutil.move(sample.repository / ".git", tmp_path / "git")
    shutil.copytree(tmp_path / "git", covers[".git"], dirs_exist_ok=True)
    for name in (*covers, "../upper", "../work"):
        (sample.repository / name).mkdir()
    for path in (sample.repository, tmp_path / "upper", tmp_path / "work", tmp_path / "covers"):
        _give(path, engine.uid)
    tmp_path.chmod(0o755)
    return Overlay(
        (sample.repository,), tmp_path / "upper", tmp_path / "work", covers, engine.attributes
    )


def _give(path: Path, uid: int) -> None:
    if uid != os.geteuid():
        for each in (path, *path.rglob("*")):
            os.chown(each, uid, uid, follow_symlinks=False)


Lend = Callable[..., Lease]


@pytest.fixture
def lend(tmp_path: Path) -> Iterator[Lend]:
    """`lend(scripted_model)` starts it and lends it through the real broker, for one test."""
    with ExitStack() as stack:

        def start(model: ScriptedModel, slug: str, requests: int = 100) -> Lease:
            stack.enter_context(model)
            broker = Broker(Upstream(model.url), Key(model.key.encode(), "test"), {})
            budget = Budget(
                requests=requests, input_tokens=10_000_000, output_tokens=1_000_000, wall_s=120
            )
            return stack.enter_context(broker.lend(slug, budget, tmp_path / "broker.jsonl"))

        yield start


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, warm_scanner: Path) -> Path:
    """What every run's state begins with."""
    state = tmp_path_factory.mktemp("warm")
    shutil.copytree(warm_scanner, state / "scanner")
    return state


@pytest.fixture(scope="session")
def engine_name(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, warm: Path
) -> EngineName:
    """An engine that works on this machine; else the test is skipped in the product's own words."""
    name: EngineName = getattr(request, "param", "bubblewrap")
    home = tmp_path_factory.mktemp("engine")
    with TemporaryDirectory(prefix="live-") as temporary:
        world = World(home, Path(temporary), make_sample(home), name)
        shutil.copytree(warm, world.state)
        tried = world.cli("run", "--dry-run", world.task)
    if tried.code == InfraError.exit_code:
        pytest.skip(f"{name} does not work here: {tried.stderr.decode()}")
    assert tried.code == 0, tried
    for known in world.state.glob("*.json"):  # the checks that passed
        shutil.copy(known, warm)
    return name


@pytest.fixture
def world(tmp_path: Path, warm: Path, engine_name: EngineName) -> Iterator[World]:
    """A sample and a state directory of its own, bubblewrap unless a test asks for both engines."""
    shutil.copytree(warm, tmp_path / "state")
    with TemporaryDirectory(prefix="live-") as temporary:
        yield World(tmp_path, Path(temporary), make_sample(tmp_path), engine_name)
