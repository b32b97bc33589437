"""The ladder: every bound lowers, none raises, each is told with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gates.classes import by_name
from runner.policy.classes import task_bounds, task_classes
from runner.policy.lattice import decide
from runner.policy.levels import EVENT, decide_level, levelled, policy_bounds, trigger_bounds
from runner.records.base import Sha256
from runner.records.classes import Caps
from runner.records.gate import GateReport
from runner.records.level import BUNDLES, Contribution, Level, Standing, told
from runner.records.merge import LayerName
from runner.records.policy import Layer
from runner.records.task import Task
from tests.fake_world import make_plan

BOUNDS = st.lists(
    st.builds(
        Contribution,
        who=st.sampled_from(["operator", "repository", "task", "class", "agent", "trigger"]),
        level=st.sampled_from([0, 1, 2, 3]),
        why=st.just("because"),
    ),
    max_size=6,
)


@given(BOUNDS, BOUNDS)
def test_more_bounds_never_make_a_higher_level(
    some: list[Contribution], more: list[Contribution]
) -> None:
    standing = decide_level(some)
    assert standing.lowered(more).level <= standing.level
    operator = [Contribution(who="operator", level=3, why="said")]
    assert decide_level([*operator, *some, *more]).level <= decide_level([*operator, *some]).level
    assert standing.level == min(each.level for each in standing.bounds)
    assert decide_level(reversed(some)).level == standing.level
    assert standing.lowered(some) == standing


@given(BOUNDS, st.sampled_from(["0", "1", "2", "3", "", "x"]))
def test_what_was_measured_only_lowers(some: list[Contribution], level: str) -> None:
    report = GateReport(gate="class", verdict="passed", summary="", evidence={"level": level})
    standing = decide_level(some)
    assert standing.measured((report,)).level <= standing.level


@given(BOUNDS, st.integers(0, 5))
def test_a_lower_bound_never_makes_a_higher_level(some: list[Contribution], at: int) -> None:
    if at < len(some):
        lower = [*some]
        lower[at] = some[at].model_copy(update={"level": 0})
        assert decide_level(lower).level <= decide_level(some).level


def test_without_a_word_it_is_2_and_says_so() -> None:
    standing = decide_level(())
    assert standing.level == 2
    assert told(standing) == "2 autonomous with gates (operator: no level is set, built-in)"


def test_only_an_operator_raises() -> None:
    def layer(name: LayerName, level: Level, **more: object) -> Layer:
        return Layer(name, name, {"level": level}, {"level": f"{name}, line 1"}, **more)  # type: ignore[arg-type]

    def asked(*layers: Layer) -> tuple[Level, list[str]]:
        standing = decide_level(policy_bounds(decide(layers)))
        return standing.level, [each.who for each in standing.decisive]

    assert asked(layer("user", 3)) == (3, ["operator"])
    assert asked(layer("repository", 3)) == (2, ["operator"])
    assert asked(layer("user", 3), layer("repository", 1)) == (1, ["repository"])
    assert asked(layer("organisation", 1), layer("user", 3)) == (1, ["operator"])
    assert asked(layer("user", 3), layer("task", 0)) == (0, ["task"])
    pinned = layer("organisation", 3, pins=frozenset({"level"}))
    assert asked(pinned, layer("task", 0)) == (3, ["operator"])


@pytest.mark.parametrize(
    ("event", "bound"),
    [
        ("", None),
        ("push", None),
        ("schedule", None),
        ("workflow_dispatch", None),
        ("pull_request", 1),
        ("pull_request_target", 1),
        ("issues", 1),
        ("issue_comment", 1),
        ("workflow_run", 1),
        ("of tomorrow", 1),
    ],
)
def test_what_outsiders_can_cause_is_supervised(event: str, bound: int | None) -> None:
    found = [each.level for each in trigger_bounds({EVENT: event})]
    assert found == ([] if bound is None else [bound])


def a_task(title: str, prompt: str = "", paths: tuple[str, ...] = ()) -> Task:
    return Task(title=title, prompt=prompt, source="t.md", sha256=Sha256("0" * 64), paths=paths)


@pytest.mark.parametrize(
    ("title", "classes"),
    [
        ("Fix the rounding of totals", {"code"}),
        ("median() is wrong for an even number", {"code"}),
        ("Do what is best", {"unknown"}),
        ("Verbessere das Runden", {"unknown"}),
        ("Fix typos in the docs about payments", {"docs"}),
        ("Add tests for the login page", {"tests"}),
        ("Reformat with black", {"formatting"}),
        ("Fix the login of new users", {"security", "code"}),
        ("Add a column to the orders table", {"migration", "code"}),
        ("Add a nick column to users", {"migration", "code"}),
        ("Write a database migration", {"migration", "code"}),
        ("Support refunds", {"payments", "code"}),
        ("Export personal data", {"privacy"}),
        ("Bump react from 17 to 18", {"dependencies"}),
        ("Use a smaller image in the Dockerfile", {"infrastructure", "code"}),
        ("Add a GitHub Actions workflow", {"ci", "code"}),
        ("Rename author to writer", {"code"}),
        ("Migrate the tests from unittest to pytest", {"code"}),
    ],
)
def test_a_task_is_of_the_class_it_speaks_of(title: str, classes: set[str]) -> None:
    found = {each.name for each in task_classes(a_task(title), by_name)}
    assert found == classes


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("docs/**", "docs"),
        ("**/*.md", "docs"),
        ("tests/**", "tests"),
        ("src/**", "code"),
        ("src/auth/**", "security"),
        (".github/workflows/*.yml", "ci"),
        ("shop/migrations/", "migration"),
        ("infra/**", "infrastructure"),
    ],
)
def test_a_task_is_of_the_class_of_its_paths(glob: str, name: str) -> None:
    assert name in {each.name for each in task_classes(a_task("x", paths=(glob,)), by_name)}


def test_the_plan_tells_every_bound_and_an_audit_knows_no_remote() -> None:
    user = Layer("user", "config.toml", {"level": 3}, {"level": "config.toml, line 1"})
    plan = make_plan().model_copy(update={"task": a_task("Fix the login")})
    made = levelled(plan, decide((user,)), {EVENT: "issues"}, by_name)
    assert made.standing.level == 1 and made.remote == plan.remote
    assert {each.who for each in made.standing.bounds} == {"operator", "class", "trigger"}
    audit = Layer("task", "t.md", {"level": 0})
    assert levelled(plan, decide((user, audit)), {}, by_name).remote is None


def test_an_operator_sets_the_classes() -> None:
    caps = Caps(security=2, unknown=2)
    bounds = task_bounds(a_task("Login"), caps, by_name)
    assert {each.level for each in bounds} == {2}
    assert set(BUNDLES) == {0, 1, 2, 3} and Standing().level == 2


@given(BOUNDS)
def test_what_nobody_measured_nobody_vouches_for(some: list[Contribution]) -> None:
    standing = decide_level([Contribution(who="operator", level=3, why="said"), *some])
    others = (GateReport(gate="paths", verdict="passed", summary=""),)
    assert standing.measured(()).level == standing.measured(others).level == 0
    assert "the change was not classed" in [each.why for each in standing.measured(()).bounds]
