"""`[review]`: who reviews, how many must approve, and further criteria; and who pays for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner import lending, session
from runner.errors import ConfigError
from runner.policy.layers import decide_run
from runner.policy.plan import make_plan
from runner.policy.repo_policy import NONE, parse_repo_policy
from runner.policy.review import MAX_INSTRUCTIONS, ReviewSettings, decide_review
from runner.policy.settings import Settings, load_settings
from runner.records.plan import Plan
from runner.records.policy import Layer, ReviewRules
from runner.records.review import Review
from runner.records.task import Limits
from runner.records.usage import Usage, total
from tests.fake_world import Scene, ended, told_by_agent
from tests.unit.test_plan import BASE, RUN, a_task, repository


def settings(tmp_path: Path, text: str, **environ: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load_settings(environ, {}, file)


def plan(given: Settings, repo: Layer = NONE, **words: object) -> Plan:
    task = a_task(**words)
    return make_plan(
        task,
        given,
        decide_run(task, given.layers, repo, ()),
        BASE,
        engine="bubblewrap",
        codex_version="0",
        run=RUN,
    )


PANEL = '[review]\nreviewers = ["a", "b", "c"]\napprovals = 2\ninstructions = """\nNo\ttabs.\n"""\n'


def test_a_panel(tmp_path: Path) -> None:
    made = plan(settings(tmp_path, PANEL), repository(review__instructions=("No dates.",)))
    assert made.reviewer_model == "a" and made.reviewers == ("a", "b", "c")
    assert made.review == Review(
        further=("b", "c"), approvals=2, instructions=("No\ttabs.\n", "No dates.")
    )


def test_the_first_one_can_be_named_elsewhere(tmp_path: Path) -> None:
    assert plan(settings(tmp_path, PANEL), reviewer_model="t").reviewers == ("t", "b", "c")
    given = settings(tmp_path, PANEL, CODEX_RUNNER_REVIEWER_MODEL="e")
    assert plan(given).reviewers == ("e", "b", "c")
    assert plan(Settings()).reviewers == (Settings().reviewer_model,)


@pytest.mark.parametrize("task", [{"reviewer_model": "B"}, {"model": "C"}, {"model": "a"}])
def test_nobody_judges_twice_or_his_own_work(tmp_path: Path, task: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"would review (twice|its own work)"):
        plan(settings(tmp_path, PANEL), NONE, **task)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('reviewers = ["a", "a"]', "would review twice"),
        ("reviewers = 1", "expected an array"),
        ('reviewers = ["no model!"]', "is not a model name"),
        (f"reviewers = {[f'm{n}' for n in range(10)]}".replace("'", '"'), "more than 9"),
        ("approvals = 0", "too small"),
        ("approvals = 2", "more than there are reviewers"),
        ('reviewers = ["a", "b"]\napprovals = 3', "more than there are reviewers"),
        ('instructions = ""', "is empty"),
        ('instructions = "\\u202e"', "invisible"),
        (f'instructions = "{"x" * (MAX_INSTRUCTIONS + 1)}"', "longer than"),
        ('models = ["a"]', "unknown key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        plan(settings(tmp_path, f"[review]\n{text}\n"))


def test_a_repository_only_adds_criteria() -> None:
    found = parse_repo_policy(b'[review]\ninstructions = "Be kind."\n', "p.toml")
    assert found.values == {"review.instructions": ("Be kind.",)}
    for key in ('reviewers = ["a"]', "approvals = 1"):
        with pytest.raises(ConfigError, match="unknown key"):
            parse_repo_policy(f"[review]\n{key}\n".encode(), "p.toml")


def test_nothing_asked_is_nothing_changed() -> None:
    assert decide_review(ReviewSettings(), ReviewRules(), "a", "b", Settings().endpoint) == Review()


# A provider of its own.

OWN = '[review.provider]\nupstream = "https://models.example.com/v1"\nkey = "env:REVIEW_KEY"\n'


def test_a_provider_of_its_own(tmp_path: Path) -> None:
    text = f'{OWN}query = "api-version=1"\n[review.provider.deployments]\na = "prod"\n'
    given = settings(tmp_path, f'upstream = "https://api.example.com/v1"\n{PANEL}{text}')
    own = given.review.provider
    assert own is not None and own.key == "env:REVIEW_KEY"
    assert (own.provider.query, own.name_of("a")) == ("api-version=1", "prod")
    assert own.provider.key_header is None, "nothing is taken over from the author's"
    made = plan(given)
    assert made.upstream == "https://api.example.com/v1"
    assert made.review_upstream == made.review.upstream == "https://models.example.com/v1"
    assert made.reviewers == ("a", "b", "c"), "the whole panel is asked there"
    assert "REVIEW_KEY" not in made.model_dump_json()
    assert plan(Settings()).review_upstream == Settings().upstream


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "review.provider.upstream: is missing"),
        ('key = "env:A"', "review.provider.upstream: is missing"),
        ('upstream = "https://a.example/v1"', "line 1: review.provider.key: is missing"),
        ('upstream = "http://a.example/v1"\nkey = "env:A"', "unencrypted"),
        ('upstream = "https://u:p@a.example/v1"\nkey = "env:A"', "user name"),
        ('upstream = "https://a.example/v1"\nkey = "sk-1234567890"', "where the credential is"),
        ('upstream = "https://a.example/v1"\nkey = "env:A"\nmodel = "x"', "unknown key"),
        ('upstream = "https://a.example/v1"\nkey = "env:A"\nkey_header = "Host"', "header"),
    ],
)
def test_what_is_wrong_with_it_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        settings(tmp_path, f"[review.provider]\n{text}\n")


SAME = [
    ("gpt-5.5", "", "openai/gpt-5.5", ""),
    ("gpt-5.5", "", "GPT-5.5-2026-03-01", ""),
    ("openai/gpt-5.5", "", "azure/gpt-55-latest", ""),
    ("gpt-5.5", "", "critic", 'critic = "gpt-5.5"'),
    ("writer", 'writer = "gpt-5.5-20260301"', "gpt-5.5", ""),
]
OTHERS = [
    ("gpt-5.5", "", "gpt-5.6-terra", ""),
    ("gpt-5.5", "", "gpt-5.5-mini", ""),
    ("gpt-5.5", 'gpt-5.5 = "prod"', "gpt-5.6", 'gpt-5.6 = "prod"'),
]
"""Author, its deployments, reviewer, its deployments at another provider. The last: two houses
may call two models alike."""


def two(tmp_path: Path, author: str, mine: str, reviewer: str, its: str) -> Settings:
    quoted = [
        line.replace("gpt-5.5 =", '"gpt-5.5" =').replace("gpt-5.6 =", '"gpt-5.6" =')
        for line in (mine, its)
    ]
    return settings(
        tmp_path,
        f'model = "{author}"\nreviewer_model = "{reviewer}"\n[provider.deployments]\n{quoted[0]}\n'
        f"{OWN}[review.provider.deployments]\n{quoted[1]}\n",
    )


@pytest.mark.parametrize("names", SAME)
def test_one_model_under_two_names(tmp_path: Path, names: tuple[str, str, str, str]) -> None:
    with pytest.raises(ConfigError, match="would review its own work: as far as names tell"):
        plan(two(tmp_path, *names))


@pytest.mark.parametrize("names", OTHERS)
def test_and_two_models_are_two(tmp_path: Path, names: tuple[str, str, str, str]) -> None:
    assert plan(two(tmp_path, *names)).reviewers == (names[2],)


def test_one_deployment_under_two_names_at_one_provider(tmp_path: Path) -> None:
    text = '[provider.deployments]\na = "prod"\nb = "prod"\nc = "other"\n'
    with pytest.raises(ConfigError, match="b would review its own work"):
        plan(settings(tmp_path, f'model = "a"\nreviewer_model = "b"\n{text}'))
    panel = '[review]\nreviewers = ["c", "openai/c"]\n'
    with pytest.raises(ConfigError, match="openai/c would review twice: as far as names tell"):
        plan(settings(tmp_path, f'model = "a"\n{text}{panel}'))


# Who pays.


def test_sessions_of_a_gate_share_a_clock_and_those_of_a_run_a_budget() -> None:
    scene = Scene()
    world = scene.world()
    limits = Limits(requests=10, input_tokens=1000, output_tokens=100, review_s=60)
    world = replace(world, plan=world.plan.model_copy(update={"limits": limits}))
    used = told_by_agent().model_copy(
        update={
            "usage": Usage(requests=3, input_tokens=300, output_tokens=30),
            "exit": ended().model_copy(update={"duration_ms": 20_000}),
        }
    )
    for earlier, before in (((), 0), ((used,), 0), ((used, used), 1), ((used,) * 4, 0)):
        session.review(world, "prompt", {}, "m", earlier, before)
    lent = [(model, b.requests, b.input_tokens, b.output_tokens) for model, b in scene.lender.lent]
    assert lent == [("m", 10, 1000, 100), ("m", 7, 700, 70), ("m", 4, 400, 40), ("m", 0, 0, 0)]
    clocks = [budget.wall_s - session.BROKER_GRACE_S for _, budget in scene.lender.lent]
    assert clocks == [60, 40, 40, 1]


def test_usage_is_summed() -> None:
    one = Usage(requests=1, input_tokens=2, cost_usd_micros=5, notes=("a",))
    two = Usage(requests=2, output_tokens=3, cost_usd_micros=6, notes=("a", "b"), unfinished=True)
    assert total([]) is None
    assert total([one]) == one
    both = total([one, two])
    assert both == Usage(
        requests=3,
        input_tokens=2,
        output_tokens=3,
        cost_usd_micros=11,
        notes=("a", "b"),
        unfinished=True,
    )
    unknown = total([one, Usage(requests=1)])
    assert unknown is not None and unknown.cost_usd_micros is None


def test_a_seed_is_kept_with_a_recording(tmp_path: Path) -> None:
    made = lending.seed(record=tmp_path)
    assert len(made) == 64 and lending.seed(replay=tmp_path) == made
    assert (tmp_path / lending.SEED).stat().st_mode & 0o777 == 0o600
    assert lending.seed() == lending.seed(replay=tmp_path / "old") == b""
    with pytest.raises(ConfigError, match="exists"):
        lending.seed(record=tmp_path)
