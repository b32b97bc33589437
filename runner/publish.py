"""What leaves the machine: one commit on one new branch, and the request that offers it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from runner.errors import InfraError, NeedsApprovalError, RefusedError, RunnerError
from runner.ledger import statements
from runner.ports import Forge, Request
from runner.records.agent import AgentResult
from runner.records.base import Oid
from runner.records.level import HIGHEST, Standing
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.told import Told
from runner.world import World


def texts(world: World, told: Told, patch: Patch, agent: AgentResult) -> dict[str, str]:
    """Everything that would leave beside the tree, by what a person calls it."""
    title, body = world.request_text(world.plan, patch, agent, told.gates, told.review_usage)
    return {
        "branch": world.plan.branch,
        "commit message": world.commit_message(world.plan),
        "title": title,
        "body": body,
    }


def require_level(plan: Plan, standing: Standing) -> None:
    """Whether it may leave without a person's word.

    Raises:
        NeedsApprovalError: a person may let it.
        RefusedError: nobody may.
    """
    if standing.level == 1:
        raise NeedsApprovalError(
            f"a person has to approve first: level 1, {standing.reason}",
            f"read codex-runner diff {plan.run}, then: codex-runner approve {plan.run}",
        )
    require_possible(standing)


def require_possible(standing: Standing) -> None:
    """Whether it may leave with a person's word. Raises RefusedError: nobody may let it."""
    if standing.level == 0:
        raise RefusedError(
            f"nothing of level 0 is published: {standing.reason}", "let a person make this change"
        )


def publish(world: World, forge: Forge, told: Told, patch: Patch, agent: AgentResult) -> None:
    """Push, then open the request; whatever goes wrong takes the branch back.

    Raises:
        RefusedError: the texts hold a secret, or a token of the runner.
        ConfigError, InfraError: the remote or the forge refused or failed.
    """
    plan = world.plan
    assert plan.remote is not None and told.standing is not None
    is_ready = told.standing.level == HIGHEST
    queue = (plan.queue_label,) if is_ready and plan.queue_label else ()
    said = texts(world, told, patch, agent)
    world.outbound(said)
    token = forge.token()
    world.source.require_published(plan.remote, plan.target, token)
    branch = _Branch(world, patch.commit, plan.remote, f"refs/heads/{plan.branch}", token)
    world.ledger.append(statements.publication(plan, patch))  # what cannot be told is not done
    with branch:
        told.publication = forge.open(
            Request(
                run=plan.run,
                title=said["title"],
                body=said["body"],
                branch=plan.branch,
                target=plan.target,
                commit=patch.commit,
                labels=(*plan.task.labels, *queue),
                draft=not is_ready,
            )
        )


@dataclass(slots=True)
class _Branch:
    """On the remote from entering on; taken back when leaving with an error, ^C included."""

    world: World
    commit: Oid
    remote: str
    ref: str
    token: str | None

    def __enter__(self) -> None:
        try:
            self.world.source.push(self.commit, self.remote, self.ref, self.token)
        except BaseException:  # it may have arrived all the same
            with suppress(RunnerError):
                self._withdraw()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            return
        try:
            self._withdraw()
        except RunnerError as left:
            first = error.problem if isinstance(error, RunnerError) else str(kind)
            raise InfraError(f"{first}; and {left.problem}", left.remedy) from error

    def _withdraw(self) -> None:
        self.world.source.withdraw(self.commit, self.remote, self.ref, self.token)
