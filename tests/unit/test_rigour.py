"""`[tests]` of the repository's policy and of the task: the task only tightens."""

from __future__ import annotations

import pytest

from runner.errors import ConfigError
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.task_file import parse_task
from runner.records.plan import Plan
from runner.records.policy import Layer
from runner.records.rigour import Rigour
from tests.unit.test_plan import a_task, operator, plan, repository

WHOLE = """[tests]
baseline = true
retries = 0
strict = true
coverage = 80
coverage_file = "build/coverage.xml"
"""
RIGOUR = Rigour(
    baseline=True, retries=0, strict=True, coverage=80, coverage_file="build/coverage.xml"
)
ASKED = {f"tests.{name}": value for name, value in RIGOUR}


def test_both_layers_read_the_same_keys() -> None:
    assert parse_repo_policy(WHOLE.encode(), "x").values == ASKED
    assert parse_task(f"+++\n{WHOLE}+++\nGo.\n".encode(), "x").policy == ASKED
    assert parse_repo_policy(b"", "x").values == {}
    assert plan(a_task(policy=ASKED)).rigour == RIGOUR
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


def asked(repo: Layer, **task: object) -> Plan:
    return plan(a_task(policy={f"tests.{name}": value for name, value in task.items()}), repo=repo)


def test_the_task_only_tightens() -> None:
    words = {"retries": 2, "coverage": 50, "coverage_file": "a.xml", "baseline": True}
    repo = repository(**{f"tests__{name}": value for name, value in words.items()})
    lax = asked(repo, retries=5, coverage=10, coverage_file="b.xml", baseline=False, strict=False)
    assert lax.rigour == Rigour(baseline=True, retries=2, coverage=50, coverage_file="a.xml")
    hard = asked(repo, retries=0, coverage=90, strict=True).rigour
    assert (hard.retries, hard.coverage, hard.strict) == (0, 90, True)
    assert asked(repository(tests__strict=True), strict=False).rigour.strict
    assert asked(repository(), retries=5).rigour.retries == 1
    assert lax.notes == (
        "tests.baseline: the task asks for false, which is not used; the repository's policy"
        " decides",
        "tests.retries: the task asks for 5, cut to 2 by the repository's policy",
        "tests.coverage: the task asks for 10, cut to 50 by the repository's policy",
        'tests.coverage_file: the task asks for "b.xml", which is not used; the repository\'s'
        " policy decides",
    )


def test_the_reference_can_only_be_waived_by_whom_the_command_is() -> None:
    off = a_task(policy={"tests.baseline": False})
    assert plan(off).rigour.baseline is False
    theirs = plan(off, repo=repository(test="make check"))
    assert theirs.rigour.baseline is None
    note = "tests.baseline: the task asks for false, which is not used; whose test command it is,"
    assert any(each.startswith(note) for each in theirs.notes)
    assert plan(off, operator(test="make check")).rigour.baseline is None
    on = a_task(policy={"tests.baseline": True})
    assert plan(on, repo=repository(test="make check")).rigour.baseline is True


def test_a_floor_needs_a_file() -> None:
    with pytest.raises(ConfigError, match=r"tests\.coverage: a floor"):
        plan(a_task(policy={"tests.coverage": 80}))
