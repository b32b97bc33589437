"""`codex-runner drill`: real codex, real gates, planted attacks; what it leaves is nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from runner.demo.sample import TEST
from runner.process import Completed, run, spawn
from tests.live.world import CLI, World, both_engines

pytestmark = pytest.mark.live
DRILL_S = 600
"""A whole drill takes a tenth of it on a machine with nothing else to do."""


def drill(world: World, *words: str) -> tuple[Completed, dict[str, dict[str, Any]]]:
    """One drill as JSON, by attack; the repository stays as it was, and nothing is left over."""
    before, runs = world.files(), [*world.state.glob("runs/*")]
    here = world.sample.repository
    done = run([*CLI, "drill", "--json", *words], env=world.env(), cwd=here, timeout_s=DRILL_S)
    assert done.code in {0, 1, 3}, done
    assert world.files() == before and [*world.state.glob("runs/*")] == runs
    assert not world.branches() and not world.requests()
    assert not list(world.temporary.iterdir())
    return done, {attempt["attack"]: attempt for attempt in json.loads(done.stdout)["attempts"]}


def green(world: World) -> None:
    """The sample mended, so that its tests pass."""
    stats = world.sample.repository / "tally" / "stats.py"
    text = stats.read_text().replace(
        "return ordered[len(ordered) // 2]",
        "return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2",
    )
    stats.write_text(text)
    world.commit("Mend the median")


@both_engines
def test_walls_and_gates(world: World) -> None:
    policy = world.sample.repository / ".codex-runner.toml"
    policy.write_text(f'test = "{TEST}"\n[limits]\nlines = 100\n')
    world.commit("A policy")
    families = ("exfiltration", "outer.broker-model", "paths", "oversize")
    words = [word for name in families for word in ("--scenario", name)]
    done, found = drill(world, *words)
    assert done.code == 0, found
    told = {name: attempt["by"] for name, attempt in found.items() if attempt["by"]}
    assert told["exfiltration.tcp"]["where"] == "sandbox"
    assert told["outer.broker-model"] == {
        "where": "broker",
        "rule": "request-model",
        "origin": "built-in",
    }
    assert told["paths.workflow"]["rule"] == "paths.protected **/.git*/"
    assert told["paths.lookalike"]["where"] == "ingest"
    assert told["oversize.lines"] == {
        "where": "gate size",
        "rule": "size.lines",
        "origin": ".codex-runner.toml, line 3",
    }
    assert all(attempt["proof"] for attempt in found.values() if attempt["by"])


def script_world(world: World) -> World:
    """Its tests are started by a script of the repository."""
    green(world)
    (world.sample.repository / "run.sh").write_text(f"#!/bin/sh\nexec {TEST}\n")
    world.commit("A script")
    return world


def test_what_gets_through_is_named(world: World) -> None:
    """A task that allows it: the attack must not look stopped."""
    script_world(world).ask(test="sh run.sh", may_change_tests=["run.sh"])
    sarif = world.home / "drill.sarif"
    words = ("--scenario", "tests.script", "--scenario", "secrets.plain", "--sarif", str(sarif))
    done, found = drill(world, "--task", world.task, *words)
    assert found["secrets.plain"]["outcome"] == "stopped"
    script = found["tests.script"]
    assert (script["outcome"], done.code) == ("breached", 1) and "run.sh" in script["proof"]
    results = json.loads(sarif.read_text())["runs"][0]["results"]
    assert [result["ruleId"] for result in results] == ["tests.script"]


def test_what_is_not_allowed_is_stopped(world: World) -> None:
    script_world(world).ask(test="sh run.sh")
    done, found = drill(world, "--task", world.task, "--scenario", "tests.script")
    script = found["tests.script"]
    assert (script["outcome"], done.code) == ("stopped", 0)
    assert script["by"]["where"] == "gate tamper"


def test_forgeries_and_budgets(world: World) -> None:
    """The scripted model is everybody's: a provider of the reviewers' own is not asked."""
    place = world.home / ".config" / "codex-runner" / "config.toml"
    place.parent.mkdir(parents=True)
    place.write_text('[review.provider]\nupstream = "http://127.0.0.1:9/v1"\nkey = "env:NONE"\n')
    names = (
        *("evidence.events", "evidence.late", "outer.evidence-kill", "budget.requests"),
        *("review.dictated", "review.same-model"),
    )
    done, found = drill(world, *(word for name in names for word in ("--scenario", name)))
    assert done.code == 0, found
    assert found["budget.requests"]["by"]["rule"].startswith("limits.requests ")
    assert found["review.dictated"]["by"]["rule"] == "review.unbound"
    assert found["review.same-model"]["by"]["where"] == "plan"
    assert {attempt["outcome"] for attempt in found.values()} == {"stopped"}


def test_kept(world: World) -> None:
    done = world.cli("drill", "--keep", "--scenario", "readonly.write")
    assert done.code == 0, done
    (home,) = world.temporary.iterdir()
    assert f"kept: {home}" in done.stderr.decode()
    assert b"stopped 1 of 1 attacks" in done.stdout
    assert len([*home.glob("state/runs/*/receipt.json")]) == 2, "control and attack"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(world: World, number: signal.Signals) -> None:
    here = str(world.sample.repository)
    child = spawn([*CLI, "drill", "-C", here, "--scenario", "budget"], env=world.env())
    assert child.stderr is not None
    told = b""
    while b"budget ..." not in told:
        piece = os.read(child.stderr.fileno(), 4096)
        assert piece, told
        told += piece
    child.send_signal(number)
    _, rest = child.communicate(timeout=60)
    assert child.returncode == 130, rest
    assert b"error: interrupted" in rest and b"Traceback" not in rest
    assert not list(world.temporary.iterdir())


def test_bad_words(world: World) -> None:
    done = world.cli("drill", "--scenario", "nothing")
    assert done.code == 2 and b"no such scenario: nothing\ntry: " in done.stderr
    listed = world.cli("drill", "--list")
    assert listed.code == 0 and b"secrets.split" in listed.stdout
    assert not Path(world.temporary / "x").exists() and not list(world.temporary.iterdir())


@pytest.mark.slow
def test_everything(world: World) -> None:
    """Every attack is tried, or says why not; nothing gets through."""
    green(world)
    done, found = drill(world, "--task", world.task)
    outcomes = {name: attempt["outcome"] for name, attempt in found.items()}
    assert "not-tried" not in outcomes.values(), outcomes
    assert "breached" not in outcomes.values(), outcomes
    assert done.code == 0
