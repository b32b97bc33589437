"""A task and a policy, decided: printing this is the dry run."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.records.approval import ApprovalRules
from runner.records.base import Oid, Record, RunId, Sha256
from runner.records.classes import Caps
from runner.records.dependencies import DependencyRules
from runner.records.guardrail import BUILT_IN, Guardrail
from runner.records.identity import Agent
from runner.records.level import Standing
from runner.records.review import Review
from runner.records.rigour import Rigour
from runner.records.rules import CommandRule
from runner.records.sandbox import EngineName
from runner.records.setup import Setup
from runner.records.static import StaticRules
from runner.records.task import Limits, Task, Words
from runner.records.usage import Allowance

ForgeName = Literal["local", "github"]
InnerSandbox = Literal["auto", "required", "off"]


class Plan(Record):
    """Everything a run is going to do. Nothing later reads a configuration again."""

    run: RunId
    version: str
    """Of codex-runner."""
    codex_version: str
    task: Task
    limits: Limits
    engine: EngineName
    inner_sandbox: InnerSandbox
    base_commit: Oid
    target: str
    branch: str
    """The one generated ref name, without `refs/heads/`."""
    model: str
    agent: Agent | None = None
    """Who works; None = nobody, a person's work is judged, or a script's is played."""
    reviewer_model: str
    test: str | None
    """None = waived by the task or the repository, shown in the request."""
    rigour: Rigour = Rigour()
    """How strictly the tests gate judges."""
    protected: tuple[str, ...]
    """Globs no run may touch."""
    paths: tuple[str, ...]
    """Globs of the task: a changed path matches one; empty = anywhere."""
    repo_paths: tuple[str, ...] = ()
    """Globs of the repository: a changed path matches one of these as well; empty = anywhere."""
    run_paths: tuple[str, ...] = ()
    """Globs of the command line: a changed path matches one of these as well; empty = anywhere."""
    words: Words = Words()
    """What the command line said of the policy."""
    upstream: str
    """Base URL of the model provider, without credentials."""
    remote: str | None
    """Where the branch is pushed, without credentials; None = no remote (`--no-publish`)."""
    forge: ForgeName | None
    setup: Setup | None = None
    """What is installed before the agent starts; None = nothing."""
    dependencies: DependencyRules = DependencyRules()
    static: StaticRules = StaticRules()
    gates: tuple[str, ...] = ()
    """Of other packages, by the name of their entry point."""
    guardrails: tuple[Guardrail, ...] = BUILT_IN
    """Checks on the task, on what the agent reads, and on what would leave."""
    review: Review = Review()
    """Who reviews besides `reviewer_model`, and by which further criteria."""
    rules: tuple[CommandRule, ...] = ()
    """On the agent's commands."""
    features_off: tuple[str, ...] = ()
    """Features of codex that are switched off, besides those that always are."""
    standing: Standing = Standing()
    """How much it may do with nobody watching; what is measured may lower it further."""
    caps: Caps = Caps()
    """Highest level by class of task and change."""
    approvals: ApprovalRules = ApprovalRules()
    """Whose word counts where one is needed."""
    queue_label: str | None = None
    """Put on a ready request, for a merge queue."""
    resumed: RunId | None = None
    """The run that this one continues: its base, task and patch."""
    budget: Allowance = Allowance()
    """What all runs of the state directory may spend together."""
    policy_sha256: Sha256 = Sha256("")
    """Of the whole policy, decided: `Policy.digest`."""
    policy_sources: dict[str, Sha256] = Field(default_factory=dict)
    """The files it came from, by name; SHA-256 of their bytes."""
    notes: tuple[str, ...] = ()
    """What a layer asked for and did not get, one line each."""

    @property
    def review_upstream(self) -> str:
        """Base URL of the provider that the reviewers are asked at."""
        return self.review.upstream or self.upstream

    @property
    def reviewers(self) -> tuple[str, ...]:
        """All of them, the first one first."""
        return (self.reviewer_model, *self.review.further)
