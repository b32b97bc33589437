"""The runner is killed at random moments of the story: whatever it had made is gone after a sweep,
and its runs are sealed. A failure is repeated with the seed it printed: RUNNER_TESTS_SEED=N."""

from __future__ import annotations

import json
import os
import random
import sys
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL
from threading import Event
from time import monotonic

import pytest

from runner.demo.model import ScriptedModel
from runner.ledger.folder import REPORT, RunFolder, folders
from runner.ledger.keys import local_public_key
from runner.ledger.receipt import examine
from runner.report.saved import read_report
from tests.live.world import FIX, World, both_engines, processes, wait_until

pytestmark = [pytest.mark.live, pytest.mark.slow]
AT_ONCE = 3
ROUNDS = {"bubblewrap": 7, "docker": 3}


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("RUNNER_TESTS_SEED") or random.SystemRandom().getrandbits(32))
    sys.stdout.write(f"RUNNER_TESTS_SEED={seed}\n")
    return random.Random(seed)


@both_engines
def test_nothing_is_left_of_runners_killed_at_any_moment(
    world: World, chance: random.Random
) -> None:
    whole_s = length_of_a_round(world)
    for _ in range(ROUNDS[world.engine]):
        before = folders(world.state)
        moments = [chance.uniform(0, whole_s) for _ in range(AT_ONCE)]
        sys.stdout.write(f"killed after {[round(each, 3) for each in moments]} s\n")
        kill_at(world, moments)
        swept = world.cli("sweep", "--json")
        assert swept.code == 0, swept
        assert json.loads(swept.stdout)["left"] == []
        check_nothing_left(world, [each for each in folders(world.state) if each not in before])


def length_of_a_round(world: World) -> float:
    """Of runs that nobody kills; the first of all also warms up what is cached."""
    first = world.run()
    assert first.code == 0, first.stderr
    began = monotonic()
    with ExitStack() as stack:
        models = [stack.enter_context(ScriptedModel(FIX)) for _ in range(AT_ONCE)]
        for run in [stack.enter_context(world.started(model)) for model in models]:
            run.child.communicate(timeout=120)
            assert run.child.returncode == 0
    return monotonic() - began


def kill_at(world: World, moments: list[float]) -> None:
    with ExitStack() as stack:
        models = [stack.enter_context(ScriptedModel(FIX)) for _ in moments]
        runs = [stack.enter_context(world.started(model)) for model in models]
        began = monotonic()
        for run, moment in sorted(zip(runs, moments, strict=True), key=lambda pair: pair[1]):
            Event().wait(max(0, began + moment - monotonic()))
            if run.child.poll() is None:
                run.signal(SIGKILL)
            run.child.wait()


def check_nothing_left(world: World, runs: list[RunFolder]) -> None:
    wait_until(lambda: not processes(str(world.state)), "the keepers to end")
    world.check_tidy()
    names = [folder.run for folder in runs]
    for directory in Path("/sys/fs/cgroup").rglob("codex-runner-*"):
        assert not any(name in directory.name for name in names), directory
    for entry in Path("/proc").glob("[0-9]*"):
        seen = _read(entry / "mountinfo") + _read(entry / "environ")
        assert not any(f"/live/{name}".encode() in seen for name in names), entry
    for folder in runs:
        standing = examine(folder, local_public_key(world.state))
        assert standing.good, (folder, standing)
        left = {path.name for path in folder.path.iterdir() if path.name.startswith(".")}
        assert not left, left
        report = read_report(folder.read(REPORT) or b"", folder.run)
        assert report.conclusion in {"abandoned", "published"}, report.problem
    assert not [path for path in (world.state / "runs").iterdir() if path.name.startswith(".")]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
