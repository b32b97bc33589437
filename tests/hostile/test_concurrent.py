"""Many runs at a time on one small machine share nothing but their state directory."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.demo.model import Say, ScriptedModel, Shell
from runner.demo.sample import Sample, make_sample
from runner.process import Completed, run
from tests.hostile.scene import CLI, KEY, Scene, git
from tests.live.world import processes

pytestmark = [pytest.mark.live, pytest.mark.slow]
RUNS, SHARED = 20, 10


def test_twenty_runs(scene: Scene) -> None:
    """Ten on one repository, ten on their own; each branch holds its run's marker and no other."""
    samples = [scene.world.sample] * SHARED
    for number in range(RUNS - SHARED):
        home = scene.world.home / f"own-{number}"
        home.mkdir()
        samples.append(make_sample(home))
    markers = [f"marker-{secrets.token_hex(8)}" for _ in samples]
    with ThreadPoolExecutor(RUNS) as pool:
        done = list(pool.map(lambda pair: one(scene, *pair), zip(samples, markers, strict=True)))
    assert [end.code for end in done] == [0] * RUNS, [end.error() for end in done if end.code]
    for sample, marker in zip(samples, markers, strict=True):
        expected = {m for s, m in zip(samples, markers, strict=True) if s.remote == sample.remote}
        assert marker in expected
        assert published(sample) == expected
    for folder in (scene.world.state / "runs").iterdir():
        kept = {*re.findall(r"marker-[0-9a-f]{16}", (folder / "patch").read_text())}
        said = {*re.findall(r"marker-[0-9a-f]{16}", (folder / "events.jsonl").read_text())}
        assert len(kept) == 1 and said == kept
    assert not [p for p in (scene.world.state / "live").iterdir() if p.name != ".guard"]
    assert not list(scene.world.temporary.iterdir())
    assert not [pid for marker in markers for pid in processes(marker)]
    assert str(scene.world.home) not in Path("/proc/self/mountinfo").read_text()


def one(scene: Scene, sample: Sample, marker: str) -> Completed:
    """Looks for the others' markers everywhere, then leaves its own."""
    look = "cat /proc/*/cmdline /proc/*/environ /tmp/* /dev/shm/* 2>/dev/null | tr '\\0' '\\n'"
    steps = (Shell(f"{look}; echo {marker} > note.txt; cp note.txt /tmp; sleep 1"), Say("Done."))
    with ScriptedModel(steps, key=KEY) as model:
        argv = [CLI, "run", "--prompt", "Leave a note", "--test", f"grep -qr {marker} ."]
        return run(argv, env=scene.env(model.url), cwd=sample.repository, timeout_s=300)


def published(sample: Sample) -> set[str]:
    """The marker of every branch, each of which must hold exactly one."""
    refs = git(sample.remote, "for-each-ref", "--format=%(refname)", "refs/heads/codex").split()
    notes = [git(sample.remote, "show", f"{ref}:note.txt") for ref in refs]
    assert all(re.fullmatch(r"marker-[0-9a-f]{16}", note) for note in notes)
    assert len({*notes}) == len(notes)
    return {*notes}
