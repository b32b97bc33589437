"""`[tests]` of the repository's policy and of the task: the task only tightens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.errors import ConfigError
from runner.policy.repo_policy import RepoPolicy, parse_repo_policy
from runner.policy.settings import Settings
from runner.policy.task_file import parse_task
from runner.policy.tests import decide_tests
from runner.records.rigour import Rigour, RigourAsked
from tests.unit.test_plan import a_task, plan

WHOLE = """[tests]
baseline = true
retries = 0
strict = true
coverage = 80
coverage_file = "build/coverage.xml"
"""
ASKED = RigourAsked(
    baseline=True, retries=0, strict=True, coverage=80, coverage_file="build/coverage.xml"
)


def test_both_layers_read_the_same_keys() -> None:
    assert parse_repo_policy(WHOLE.encode(), "x").tests == ASKED
    assert parse_task(f"+++\n{WHOLE}+++\nGo.\n".encode(), "x").tests == ASKED
    assert parse_repo_policy(b"", "x").tests == RigourAsked()
    assert plan(a_task(tests=ASKED)).rigour == Rigour.model_validate(ASKED.model_dump())
    assert plan().rigour == Rigour()


@pytest.mark.parametrize(
    "row",
    [
        "baseline = 1",
        'strict = "yes"',
        "retries = -1",
        "retries = 6",
        "coverage = 101",
        "coverage = true",
        'coverage_file = "../x"',
        "flaky = 1",
    ],
)
def test_what_is_wrong_is_named(row: str) -> None:
    with pytest.raises(ConfigError, match=r"x, line 2: tests\." + row.partition(" ")[0]):
        parse_repo_policy(f"[tests]\n{row}\n".encode(), "x")


def test_the_task_only_tightens() -> None:
    repo = RigourAsked(retries=2, coverage=50, coverage_file="a.xml", baseline=True)
    lax = RigourAsked(retries=5, coverage=10, coverage_file="b.xml", baseline=False, strict=False)
    decided = decide_tests(repo, lax, own_command=False)
    assert decided == Rigour(baseline=True, retries=2, coverage=50, coverage_file="a.xml")
    hard = RigourAsked(retries=0, coverage=90, strict=True)
    decided = decide_tests(repo, hard, own_command=False)
    assert (decided.retries, decided.coverage, decided.strict) == (0, 90, True)
    assert decide_tests(replace_strict(repo), lax, own_command=False).strict


def replace_strict(asked: RigourAsked) -> RigourAsked:
    return asked.model_copy(update={"strict": True})


def test_the_reference_can_only_be_waived_by_whom_the_command_is() -> None:
    off = a_task(tests=RigourAsked(baseline=False))
    assert plan(off).rigour.baseline is False
    theirs = plan(off, repo=replace(RepoPolicy(), test="make check"))
    assert theirs.rigour.baseline is None
    note = "tests.baseline: the task's False is not used; the repository's policy decides"
    assert note in theirs.notes
    assert plan(off, Settings(test="make check")).rigour.baseline is None


def test_a_floor_needs_a_file() -> None:
    with pytest.raises(ConfigError, match=r"tests\.coverage: a floor"):
        plan(a_task(tests=RigourAsked(coverage=80)))
