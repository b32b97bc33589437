"""A task and a policy, decided: printing this is the dry run."""

from __future__ import annotations

from typing import Literal

from runner.records.base import Oid, Record, RunId
from runner.records.dependencies import DependencyRules
from runner.records.review import Review
from runner.records.rigour import Rigour
from runner.records.sandbox import EngineName
from runner.records.setup import Setup
from runner.records.static import StaticRules
from runner.records.task import Limits, Task

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
    review: Review = Review()
    """Who reviews besides `reviewer_model`, and by which further criteria."""
    resumed: RunId | None = None
    """The run that this one continues: its base, task and patch."""
    notes: tuple[str, ...] = ()
    """What a layer asked for and did not get, one line each."""

    @property
    def reviewers(self) -> tuple[str, ...]:
        """All of them, the first one first."""
        return (self.reviewer_model, *self.review.further)
