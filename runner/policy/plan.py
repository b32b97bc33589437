"""Task, settings, repository policy and base -> one Plan. Pure: the dry run prints it."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from runner import __version__
from runner.errors import ConfigError
from runner.policy import names
from runner.policy.dependencies import decide_dependencies
from runner.policy.names import MisfitError
from runner.policy.remote import choose_forge
from runner.policy.repo_policy import RepoPolicy
from runner.policy.review import decide_review
from runner.policy.settings import BUILT_IN, COMMAND_LINE, Settings
from runner.policy.setup import decide_setup, not_allowed
from runner.policy.static import decide_static
from runner.policy.tests import decide_tests, not_heeded
from runner.ports import Base
from runner.records.base import RunId
from runner.records.plan import ForgeName, Plan
from runner.records.rigour import Rigour
from runner.records.sandbox import EngineName
from runner.records.task import Limits, Task

PREFIX = "codex/"
MAX_SLUG = 40
REPOSITORY = "the repository's policy"


def make_plan(
    task: Task,
    settings: Settings,
    repo: RepoPolicy,
    base: Base,
    *,
    engine: EngineName,
    codex_version: str,
    run: RunId,
    protected: tuple[str, ...],
    publish: bool = True,
) -> Plan:
    """Raises ConfigError: no target, no tests, one model for both roles, no place to publish."""
    limits, cut = _limits(task, settings, repo)
    model, reviewer = _models(task, settings)
    remote, forge = _destination(settings, base, publish)
    return Plan(
        run=run,
        version=__version__,
        codex_version=codex_version,
        task=task,
        limits=limits,
        engine=engine,
        inner_sandbox=settings.inner_sandbox,
        base_commit=base.commit,
        target=(target := _target(task, base)),
        branch=_branch(task.title, run, target),
        model=model,
        reviewer_model=reviewer,
        test=_test(task, settings, repo),
        rigour=_rigour(task, settings, repo),
        protected=tuple(sorted({*protected, *repo.protected})),
        paths=task.paths,
        repo_paths=repo.paths,
        upstream=settings.upstream,
        remote=remote,
        forge=forge,
        setup=decide_setup(repo.setup, settings.setup),
        dependencies=decide_dependencies(settings.dependencies, repo.dependencies),
        static=decide_static(settings.static, repo.static),
        gates=settings.gates,
        review=decide_review(settings.review, repo.review, model, reviewer),
        notes=(*cut, *_unheeded(task, settings, repo)),
    )


def _unheeded(task: Task, settings: Settings, repo: RepoPolicy) -> Iterator[str]:
    """A note for everything a layer asks for and does not get."""
    yield from _unused_tests(_test(task, settings, repo), task, settings, repo)
    yield from not_allowed(decide_setup(repo.setup, settings.setup))
    yield from not_heeded(task.tests, _rigour(task, settings, repo))


def _rigour(task: Task, settings: Settings, repo: RepoPolicy) -> Rigour:
    is_own = settings.test is not None or isinstance(repo.test, str)
    return decide_tests(repo.tests, task.tests, own_command=is_own)


def new_run_id(now: datetime | None = None) -> RunId:
    """`20261120-102233-7f3a9c`: UTC, then chance."""
    at = (now or datetime.now(UTC)).astimezone(UTC)
    return RunId(f"{at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")


def tighten(limits: Limits, layer: Mapping[str, int]) -> Limits:
    """The stricter of both, field by field; a layer can only lower."""
    return limits.tightened(Limits.model_validate({**limits.model_dump(), **layer}))


def _limits(task: Task, settings: Settings, repo: RepoPolicy) -> tuple[Limits, list[str]]:
    """What holds, and a note for every limit that was asked for and cut."""
    limits = settings.limits
    notes: list[str] = []
    for who, layer in ((REPOSITORY, repo.limits), ("the task", task.limits)):
        for name, asked in layer.items():
            bound = getattr(limits, name)
            if asked > bound:
                ceiling = bound == getattr(settings.limits, name)
                by = "the ceiling, [limits] in config.toml" if ceiling else REPOSITORY
                notes.append(f"limits.{name}: {who} asks for {asked}, cut to {bound} by {by}")
        limits = tighten(limits, layer)
    return limits, notes


def _models(task: Task, settings: Settings) -> tuple[str, str]:
    model = _preferred(settings, "model", task.model, settings.model)
    first = settings.reviewer_model
    if settings.review.reviewers and settings.source_of("reviewer_model") == BUILT_IN:
        first = settings.review.reviewers[0]
    reviewer = _preferred(settings, "reviewer_model", task.reviewer_model, first)
    if model.casefold() == reviewer.casefold():
        raise ConfigError(
            f"{model} would review its own work", "give reviewer_model (or model) another name"
        )
    return model, reviewer


def _preferred(settings: Settings, name: str, asked: str | None, setting: str) -> str:
    """The command line over the task, the task over every other setting."""
    return setting if settings.source_of(name).startswith(COMMAND_LINE) else asked or setting


def _target(task: Task, base: Base) -> str:
    target = task.target or base.remote_branch or base.branch
    if target is None:
        raise ConfigError(
            "no target branch: HEAD is detached and the remote has no known default branch",
            'add target = "main" to the task',
        )
    try:
        return names.target_branch(target)
    except MisfitError as misfit:
        raise ConfigError(f"the target branch {misfit.why}", misfit.remedy) from misfit


def _branch(title: str, run: RunId, target: str) -> str:
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_title).strip("-")[:MAX_SLUG].strip("-")
    branch = f"{PREFIX}{slug or 'task'}-{run}"
    if target in {branch, PREFIX.rstrip("/")}:
        raise ConfigError(
            f"the target branch {target} collides with the branches of codex-runner",
            f"aim at a branch that is not named {PREFIX}...",
        )
    return branch


def _test(task: Task, settings: Settings, repo: RepoPolicy) -> str | None:
    """Operator, then repository, then task; a task cannot waive what the repository asks."""
    if settings.test is not None:
        return settings.test
    if isinstance(repo.test, str):
        if task.test is False:
            raise ConfigError(
                f"{task.source}: test: the repository asks for its tests, a task cannot waive them",
                "remove test = false from the task",
            )
        return repo.test
    if isinstance(task.test, str):
        return task.test
    if task.test is None and repo.test is None:
        raise ConfigError(
            f"{task.source}: no test command, neither in the task nor in .codex-runner.toml",
            'give --test "...", or add test = "..." to one of them (test = false: no tests gate)',
        )
    return None


def _unused_tests(
    test: str | None, task: Task, settings: Settings, repo: RepoPolicy
) -> Iterator[str]:
    winner = REPOSITORY if settings.test is None else settings.source_of("test")
    for who, asked in (("the task", task.test), (REPOSITORY, repo.test)):
        if isinstance(asked, str) and asked != test:
            yield f"test: the command of {who} is not used; {winner} decides"


def _destination(
    settings: Settings, base: Base, publish: bool
) -> tuple[str | None, ForgeName | None]:
    if not publish:
        return None, None
    if base.remote is None:
        raise ConfigError(
            "the repository has no remote to publish to",
            "git remote add origin URL, or --no-publish",
        )
    return base.remote, choose_forge(base.remote, settings.forge, settings.github_url)
