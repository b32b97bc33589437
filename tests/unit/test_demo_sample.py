"""The sample is a real repository with a real bug, and the scripts are about it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from runner.demo.model import Patch, Say
from runner.demo.sample import Sample, make_sample
from runner.demo.scenarios import SCENARIOS, fake_token
from runner.process import Completed, run


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path)


def git(where: Path, *words: str) -> str:
    done = run(["git", "-C", where, *words])
    assert done.code == 0, done.stderr
    return done.text()


def unittest_in(sample: Sample) -> Completed:
    return run([sys.executable, "-B", "-m", "unittest", "-q"], cwd=sample.repository)


def test_the_remote_holds_its_main(sample: Sample) -> None:
    head = git(sample.repository, "rev-parse", "HEAD")
    assert git(sample.remote, "rev-parse", "refs/heads/main") == head
    assert git(sample.remote, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(sample.repository, "remote", "get-url", "origin") == str(sample.remote)
    assert git(sample.repository, "status", "--porcelain") == ""


def test_it_is_the_same_every_time(sample: Sample, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    again = make_sample(tmp_path / "again")
    heads = {git(one.repository, "rev-parse", "HEAD") for one in (sample, again)}
    assert len(heads) == 1


def test_an_existing_sample_is_left_alone(sample: Sample) -> None:
    with pytest.raises(FileExistsError):
        make_sample(sample.repository.parent)


def test_two_tests_fail_until_the_bug_is_fixed(sample: Sample) -> None:
    failing = unittest_in(sample)
    assert failing.code == 1
    assert b"failures=2" in failing.stderr
    stats = sample.repository / "tally" / "stats.py"
    old = "    return ordered[len(ordered) // 2]\n"
    new = "    import statistics\n    return statistics.median(ordered)\n"
    assert old in stats.read_text()
    stats.write_text(stats.read_text().replace(old, new))
    assert unittest_in(sample).code == 0


def test_the_task_is_front_matter_and_a_prompt(sample: Sample) -> None:
    empty, front, body = sample.task.read_text().split("+++\n")
    assert empty == ""
    told = tomllib.loads(front)
    assert told["model"] != told["reviewer_model"]
    assert told["paths"] == ["tally/**", "tests/**"]
    assert "median" in body


def test_every_scenario_ends_with_a_word() -> None:
    assert set(SCENARIOS) == {"fix", "secret", "tests-tampered", "too-big", "path"}
    for scenario in SCENARIOS.values():
        assert isinstance(scenario.steps[-1], Say)
        assert bool(scenario.refused_by) is (scenario.name != "fix")


def test_the_token_is_whole_only_when_asked_for() -> None:
    token = fake_token()
    assert len(token) == 40
    patches = [step.text for step in SCENARIOS["secret"].steps if isinstance(step, Patch)]
    assert token in patches[0]
    sources = (Path(__file__).parents[2] / "runner" / "demo").glob("*.py")
    assert not any(token in source.read_text() for source in sources)
