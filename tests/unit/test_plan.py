"""A plan is decided once; every layer below the operator only tightens it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ConfigError
from runner.policy.layers import decide_run, task_layer
from runner.policy.names import branch
from runner.policy.plan import make_plan, new_run_id
from runner.policy.remote import choose_forge
from runner.policy.repo_policy import NONE
from runner.policy.settings import Settings, load_settings
from runner.policy.task_file import parse_task
from runner.records.base import Oid, RunId, Sha256
from runner.records.plan import Plan
from runner.records.policy import Layer
from runner.records.repository import Base
from runner.records.task import Limits, Task

RUN = RunId("20261120-102233-7f3a9c")
GITHUB = "https://github.com"
BASE = Base(
    repository=Path("/srv/work"),
    commit=Oid("c" * 40),
    tree=Oid("d" * 40),
    branch="topic",
    remote="https://github.com/o/r.git",
    remote_branch="main",
)


def operator(**values: object) -> Settings:
    """Settings of a user whose file says this of the policy; `__` for a dot."""
    return Settings(layers=(Layer("user", "config.toml", _dotted(values)),))


def repository(**values: object) -> Layer:
    return Layer("repository", ".codex-runner.toml", _dotted(values))


def _dotted(values: dict[str, object]) -> dict[str, object]:
    return {name.replace("__", "."): value for name, value in values.items()}


def a_task(**fields: object) -> Task:
    whole = {"title": "T", "prompt": "p", "source": "t.md", "sha256": Sha256("0" * 64)}
    return Task.model_validate({**whole, "test": "make test", **fields})


def plan(
    task: Task | None = None,
    settings: Settings | None = None,
    repo: Layer = NONE,
    base: Base = BASE,
    *,
    publish: bool = True,
) -> Plan:
    task, settings = task or a_task(), settings or Settings()
    return make_plan(
        task,
        settings,
        decide_run(task, settings.layers, repo, ("**/.git*/", ".codex/")),
        base,
        engine="bubblewrap",
        codex_version="0.163.0",
        run=RUN,
        publish=publish,
    )


def test_the_whole_plan() -> None:
    made = plan(
        a_task(paths=("src/**",)), repo=repository(paths=(("s*/**",),), protected=("deploy/",))
    )
    assert made == Plan(
        run=RUN,
        version=made.version,
        codex_version="0.163.0",
        task=a_task(paths=("src/**",)),
        limits=Limits(),
        engine="bubblewrap",
        inner_sandbox="auto",
        base_commit=BASE.commit,
        target="main",
        branch="codex/t-20261120-102233-7f3a9c",
        model="gpt-5.5",
        reviewer_model="gpt-5.6-terra",
        test="make test",
        protected=("**/.git*/", ".codex/", "deploy/"),
        paths=("src/**",),
        repo_paths=("s*/**",),
        upstream="https://api.openai.com/v1",
        remote="https://github.com/o/r.git",
        forge="github",
        policy_sha256=made.policy_sha256,
        policy_sources={"t.md": Sha256("0" * 64)},
    )
    assert len(made.policy_sha256) == 64


def test_limits_are_the_minimum_of_all_layers() -> None:
    made = plan(
        a_task(limits={"files": 7, "lines": 99_999, "pids": 64}),
        operator(limits__lines=9000),
        repository(limits__files=9, limits__pids=32),
    )
    assert made.limits == Limits(files=7, lines=9000, pids=32)


@pytest.mark.parametrize(
    ("operator", "repo", "task", "wanted"),
    [
        (None, None, "t", "t"),
        (None, None, False, None),
        (None, "r", None, "r"),
        (None, "r", "t", "r"),
        (None, False, None, None),
        (None, False, False, None),
        (None, False, "t", "t"),
        ("o", "r", False, "o"),
        ("o", None, None, "o"),
    ],
)
def test_whose_test_command(
    operator: str | None, repo: str | Literal[False] | None, task: object, wanted: str | None
) -> None:
    words = {} if operator is None else {"test": operator}
    settings = Settings(layers=(Layer("user", "config.toml", words),))
    theirs = NONE if repo is None else repository(test=repo)
    made = plan(a_task(test=task), settings, theirs)
    assert made.test == wanted


def test_a_task_cannot_waive_the_repository_s_tests() -> None:
    with pytest.raises(ConfigError, match=r"t\.md: test: the repository asks"):
        plan(a_task(test=False), repo=repository(test="make"))


def test_no_test_command_anywhere() -> None:
    with pytest.raises(ConfigError, match="no test command") as caught:
        plan(a_task(test=None))
    assert '--test "..."' in caught.value.remedy, "a --prompt has no file to write it to"
    assert "test = false" in caught.value.remedy


def test_what_was_asked_for_and_not_granted_is_noted() -> None:
    made = plan(
        a_task(limits={"files": 99, "lines": 9000, "pids": 64}),
        operator(limits__lines=800),
        repository(limits__files=9, limits__requests=9999, test="make"),
    )
    assert made.notes == (
        "limits.requests: the repository's policy asks for 9999, cut to 200 by the ceiling, "
        "[limits] in config.toml",
        "limits.files: the task asks for 99, cut to 9 by the repository's policy",
        "limits.lines: the task asks for 9000, cut to 800 by the ceiling, [limits] in config.toml",
        "test: the command of the task is not used; the repository's policy decides",
    )
    settings = load_settings({}, {"test": "make check"})
    assert plan(settings=settings, repo=repository(test="make")).notes == (
        "test: the command of the repository's policy is not used; --test decides",
        "test: the command of the task is not used; --test decides",
    )
    assert plan(a_task(limits={"files": 50, "lines": 3})).notes == ()


def test_a_task_read_back_from_a_report_says_the_same() -> None:
    text = b"""+++
protected = ["a/"]
[tests]
coverage = 5
coverage_file = "c.xml"
[[rules]]
pattern = ["git", ["push", "fetch"]]
decision = "forbidden"
+++
Go.
"""
    task = parse_task(text, "t.md")
    again = Task.model_validate_json(task.canonical())
    assert task_layer(again).values == task_layer(task).values
    assert plan(again, operator(test="x")).policy_sha256 == (
        plan(task, operator(test="x")).policy_sha256
    )
    odd = a_task(policy={"of.tomorrow": 1})
    with pytest.raises(ConfigError, match=r"'of\.tomorrow' of an earlier run"):
        plan(odd)


def test_models_command_line_over_task_over_settings() -> None:
    environ = {"CODEX_RUNNER_MODEL": "env", "CODEX_RUNNER_REVIEWER_MODEL": "reviewer"}
    assert plan(settings=load_settings(environ)).model == "env"
    assert plan(a_task(model="task"), load_settings(environ)).model == "task"
    asked = load_settings(environ, {"model": "cli"})
    assert plan(a_task(model="task"), asked).model == "cli"


def test_nobody_reviews_their_own_work() -> None:
    with pytest.raises(ConfigError, match="would review its own work"):
        plan(a_task(model="gpt-5.6-terra"))
    with pytest.raises(ConfigError, match="would review its own work"):
        plan(a_task(model="GPT-5.6-Terra"))


def test_target_task_then_remote_then_checked_out() -> None:
    assert plan(a_task(target="release")).target == "release"
    assert plan(base=replace(BASE, remote_branch=None)).target == "topic"
    with pytest.raises(ConfigError, match="no target branch"):
        plan(base=replace(BASE, remote_branch=None, branch=None))
    with pytest.raises(ConfigError, match="the target branch is not a branch name"):
        plan(base=replace(BASE, remote_branch="--upload-pack=x"))


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Round totals half up", "round-totals-half-up"),
        ("Caf\u00e9: $(touch x) `y` ../..", "cafe-touch-x-y"),
        ("\u4fee\u6b63", "task"),
        ("a" * 39 + " bcd", "a" * 39),
        ("--upload-pack=x", "upload-pack-x"),
    ],
)
def test_branch_is_made_of_a_slug_and_the_run(title: str, slug: str) -> None:
    assert plan(a_task(title=title)).branch == f"codex/{slug}-{RUN}"


@given(st.text(min_size=1))
def test_branch_is_always_a_safe_ref(title: str) -> None:
    made = plan(a_task(title=title)).branch
    assert branch(made) == made and made.isascii() and made.startswith("codex/")


@pytest.mark.parametrize("target", [f"codex/t-{RUN}", "codex"])
def test_branch_never_meets_the_target(target: str) -> None:
    with pytest.raises(ConfigError, match="collides"):
        plan(a_task(target=target))


def test_run_ids_are_sortable_and_unique() -> None:
    at = datetime(2026, 11, 20, 10, 22, 33, tzinfo=UTC)
    ids = {new_run_id(at) for _ in range(50)}
    assert len(ids) == 50
    assert all(name.startswith("20261120-102233-") and len(name) == 22 for name in ids)
    assert new_run_id() > RunId("2020")


def test_publishing_needs_a_remote() -> None:
    bare = replace(BASE, remote=None)
    with pytest.raises(ConfigError, match="no remote") as caught:
        plan(base=bare)
    assert "--no-publish" in caught.value.remedy
    unpublished = plan(base=bare, publish=False)
    assert (unpublished.remote, unpublished.forge) == (None, None)
    assert plan(publish=False).remote is None


@pytest.mark.parametrize(
    ("remote", "url", "forge"),
    [
        ("https://github.com/o/r.git", GITHUB, "github"),
        ("https://GitHub.com/o/r", GITHUB, "github"),
        ("git@github.com:o/r.git", GITHUB, "github"),
        ("ssh://git@github.com/o/r.git", GITHUB, "github"),
        ("https://ghe.example:8443/o/r", "https://ghe.example:8443", "github"),
        ("http://127.0.0.1:9/o/r", "http://127.0.0.1:9", "github"),
    ],
)
def test_forge_follows_the_remote(remote: str, url: str, forge: str) -> None:
    assert choose_forge(remote, "auto", url) == forge


@pytest.mark.parametrize("remote", ["/srv/r.git", "file:///srv/r.git"])
def test_a_directory_is_pushed_to_only_when_the_operator_says_so(remote: str) -> None:
    assert choose_forge(remote, "local", GITHUB) == "local"
    with pytest.raises(ConfigError, match="its hooks run as you"):
        choose_forge(remote, "auto", GITHUB)


OTHER_REMOTES = (
    *("https://gitlab.com/o/r", "https://github.com.evil.example/o/r", "http://github.com/o/r"),
    *("ext::sh -c x", "../r.git", "git://github.com/o/r", "file://host/r.git", "file:r.git"),
    *("-oProxyCommand=x@github.com:o/r", "https://[::1/o", "/srv/\x1b.git", "", "C:\\r"),
)


@pytest.mark.parametrize("remote", OTHER_REMOTES)
def test_other_remotes_are_refused_in_one_line(remote: str) -> None:
    for wish in ("auto", "local", "github"):
        with pytest.raises(ConfigError) as caught:
            choose_forge(remote, wish, GITHUB)
        assert caught.value.problem.isprintable()


def test_a_wish_must_fit_the_remote() -> None:
    with pytest.raises(ConfigError, match="forge local"):
        choose_forge("https://github.com/o/r", "local", GITHUB)
    assert choose_forge("https://github.com/o/r", "github", GITHUB) == "github"
