"""Task, settings, policy and base -> one Plan. Pure: the dry run prints it."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from runner import __version__
from runner.errors import ConfigError
from runner.policy import names
from runner.policy.lattice import Decided, decide
from runner.policy.names import MisfitError
from runner.policy.notes import notes
from runner.policy.remote import choose_forge
from runner.policy.review import decide_review
from runner.policy.settings import BUILT_IN, COMMAND_LINE, Settings
from runner.policy.setup import decide_setup
from runner.records.base import RunId
from runner.records.identity import Agent
from runner.records.merge import LayerName
from runner.records.plan import ForgeName, Plan
from runner.records.repository import Base
from runner.records.sandbox import EngineName
from runner.records.task import Task

PREFIX = "codex/"
MAX_SLUG = 40


def make_plan(
    task: Task,
    settings: Settings,
    decided: Decided,
    base: Base,
    *,
    engine: EngineName,
    codex_version: str,
    run: RunId,
    publish: bool = True,
    author: str = "",
) -> Plan:
    """Raises ConfigError: no target, no tests, one model for both roles, no place to publish, a
    model that is not allowed. `author` is the name of the agent; empty = none works."""
    policy = decided.policy
    _require_coverage_file(decided)
    model, reviewer = _models(task, settings)
    review = decide_review(settings.review, policy.review, model, reviewer, settings.endpoint)
    _require_allowed(decided, model, reviewer, *review.further)
    remote, forge = _destination(settings, base, publish)
    return Plan(
        run=run,
        version=__version__,
        codex_version=codex_version,
        task=task,
        engine=engine,
        inner_sandbox=settings.inner_sandbox,
        base_commit=base.commit,
        target=(target := _target(task, base)),
        branch=_branch(task.title, run, target),
        model=model,
        agent=identify(author, model, codex_version, decided, settings.tenant) if author else None,
        reviewer_model=reviewer,
        test=_test(task, decided),
        paths=task.paths,
        upstream=settings.upstream,
        remote=remote,
        forge=forge,
        setup=decide_setup(decided, settings.setup),
        review=review,
        notes=(*settings.notes, *_not_used(task, settings), *notes(decided)),
        **of_policy(decided),
    )


def of_policy(decided: Decided) -> dict[str, Any]:
    """What the plan takes over from the policy as it is."""
    policy = decided.policy
    return {
        "limits": policy.limits,
        "rigour": policy.tests,
        "dependencies": policy.dependencies,
        "static": policy.static,
        "gates": policy.gates,
        "guardrails": policy.guardrails,
        "rules": policy.rules,
        "features_off": policy.features_off,
        "approvals": policy.approvals,
        "budget": policy.budget,
        "protected": tuple(sorted(policy.protected)),
        "repo_paths": _globs(decided, "repository"),
        "run_paths": _globs(decided, "command line"),
        "policy_sha256": policy.digest(),
        "policy_sources": {each.source: each.sha256 for each in decided.layers if each.sha256},
    }


def identify(
    author: str, model: str, codex_version: str, decided: Decided, tenant: str = ""
) -> Agent:
    """The policy it proves itself under is the operator's: each repository, and each task, tightens
    that in its own way."""
    operator = decide(decided.of("built-in", "organisation", "user")).policy.digest()
    return Agent(
        name=author, model=model, codex_version=codex_version, policy_sha256=operator, tenant=tenant
    )


def _globs(decided: Decided, layer: LayerName) -> tuple[str, ...]:
    clauses = (each.values.get("paths", ()) for each in decided.of(layer))
    return tuple(glob for some in clauses for globs in some for glob in globs)


def new_run_id(now: datetime | None = None) -> RunId:
    """`20261120-102233-7f3a9c`: UTC, then chance."""
    at = (now or datetime.now(UTC)).astimezone(UTC)
    return RunId(f"{at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")


def _models(task: Task, settings: Settings) -> tuple[str, str]:
    model = _preferred(settings, "model", task.model, settings.model)
    first = settings.reviewer_model
    named = settings.source_of("reviewer_model") != BUILT_IN
    if settings.review.reviewers and (not named or "review" in settings.pinned):
        first = settings.review.reviewers[0]
    reviewer = _preferred(settings, "reviewer_model", task.reviewer_model, first)
    if model.casefold() == reviewer.casefold():
        raise ConfigError(
            f"{model} would review its own work", "give reviewer_model (or model) another name"
        )
    return model, reviewer


def _preferred(settings: Settings, name: str, asked: str | None, setting: str) -> str:
    """The command line over the task, the task over every other setting but a pinned one."""
    if _pin(settings, name) or settings.source_of(name).startswith(COMMAND_LINE):
        return setting
    return asked or setting


def _pin(settings: Settings, name: str) -> str | None:
    """Where the organisation says that nobody chooses this model."""
    panel = "review" if name == "reviewer_model" and settings.review.reviewers else name
    return settings.pinned.get(name) or settings.pinned.get(panel)


def _not_used(task: Task, settings: Settings) -> Iterator[str]:
    for name, asked in (("model", task.model), ("reviewer_model", task.reviewer_model)):
        if asked is not None and (by := _pin(settings, name)):
            yield f"{name}: the task's is not used; pinned by {by}"
    mine = settings.source_of("reviewer_model")
    panel = settings.pinned.get("review") if settings.review.reviewers else None
    if panel and mine != BUILT_IN and settings.reviewer_model != settings.review.reviewers[0]:
        yield f"reviewer_model: {mine} is not used; pinned by {panel}"


def _require_allowed(decided: Decided, *models: str) -> None:
    allowed = decided.policy.models
    for model in models:
        if allowed is not None and model not in allowed:
            by = " and ".join(each.where for each in decided.fields["models"].by)
            raise ConfigError(
                f"the model {model} is not allowed: models, {by}",
                f"use {' or '.join(allowed)}" if allowed else "no model is allowed by all layers",
            )


def _require_coverage_file(decided: Decided) -> None:
    if decided.policy.tests.coverage is not None and decided.policy.tests.coverage_file is None:
        raise ConfigError(
            "tests.coverage: a floor, and no file that tells the coverage",
            'add coverage_file = "coverage.xml" under [tests]',
        )


def _test(task: Task, decided: Decided) -> str | None:
    """None = waived. A task cannot waive what the repository asks."""
    test, by = decided.policy.test, decided.fields["test"].by[-1]
    if isinstance(test, str):
        if task.test is False and by.layer == "repository":
            raise ConfigError(
                f"{task.source}: test: the repository asks for its tests, a task cannot waive them",
                "remove test = false from the task",
            )
        return test
    if test is None:
        raise ConfigError(
            f"{task.source}: no test command, neither in the task nor in .codex-runner.toml",
            'give --test "...", or add test = "..." to one of them (test = false: no tests gate)',
        )
    return None


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
