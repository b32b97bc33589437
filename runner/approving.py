"""A person lets out what a supervised run has judged: exactly that tree, to that place, once.

1. Only what that run's receipt vouches for is believed: that its gates passed, and which tree.
2. The person names the action by its digest, at a terminal or through another channel. It is made
   anew from today's policy, remote and repository; where anything of it differs, the word was given
   for something else.
3. The word is used up before anything leaves; what was published is not published again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runner import abandoned, asking, halting, publish, resuming, wiring
from runner.approvals import github
from runner.approvals.github import Taken
from runner.approvals.queue import Queue
from runner.checking import Unlent
from runner.errors import ConfigError, InfraError, NeedsApprovalError, RefusedError, RunnerError
from runner.ledger.folder import PATCH, REPORT, RunFolder, find, folders
from runner.lending import held_keys
from runner.person import this_user
from runner.policy.settings import load_settings
from runner.records.approval import PREFIX, Action, Approval, ApprovalRules, Channel
from runner.records.base import Oid, RunId
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.report.saved import read_report
from runner.resuming import Kept
from runner.told import Told, stopped
from runner.way import Way
from runner.world import World

CHANNELS: tuple[Channel, ...] = ("terminal", "github", "webhook", "gateway")
"""A publication waits for no process: whoever finds it may answer."""


def waiting(prefix: str | None, state: Path) -> Action:
    """What a run waits for. Raises ConfigError, RefusedError: it waits for nothing (any more)."""
    folder = find(state, prefix)
    kept = resuming.vouched(folder, _require_waiting)
    _require_unpublished(folder)
    requests = queue_at(state).requests(everything=True)
    if any((asked.run, where) == (folder.run, "denied") for asked, where in requests):
        raise RefusedError(
            f"run {folder.run} was denied, for good",
            "run the task again, with what the no was about: codex-runner approvals list",
        )
    return _asked(kept)


def approve(
    prefix: str | None,
    digest: str | None,
    state: Path,
    repository: Path,
    *,
    at_terminal: bool,
    quiet: bool = False,
) -> tuple[RunReport, RunFolder]:
    """Publishes it; the report is a new run's, whose plan names the old one. No digest = somebody
    has approved it already, through whatever channel.

    Raises:
        ConfigError: no such run, none that waits, or `digest` is not the beginning of its action's.
        NeedsApprovalError: nobody has approved it.
        RefusedError: its receipt does not vouch for it, or it was denied.
    """
    folder = find(state, prefix)
    with resuming.claimed(folder):
        kept = resuming.vouched(folder, _require_waiting)
        _require_unpublished(folder)
        settings = load_settings(os.environ, resuming.words(kept, state))
        resuming.require_base(kept, repository, settings)
        word = _given(kept, state, digest, at_terminal)
        way = Way(
            story=_Story(kept, word),
            plan=lambda plan: _continued(plan, kept, word),
            authored=False,
            lender=Unlent(held_keys(settings, os.environ)),
        )
        asks = wiring.Asked(
            task=kept.plan.task,
            repository=repository,
            base=kept.plan.base_commit,
            settings=resuming.words(kept, state),
            words=kept.plan.words,
        )
        return wiring.perform(asks, quiet=quiet, way=way)


def queue_at(state: Path, rules: ApprovalRules | None = None, level: int = 1) -> Queue:
    """Of a state directory, for whoever answers."""
    switch = halting.opened(state, load_settings(os.environ, {"state": str(state)}).kill_file)
    return asking.queue_of(
        state,
        ApprovalRules() if rules is None else rules,
        switch,
        level=level,
        author=asking.author(os.environ),
        channels=CHANNELS,
    )


def enqueue(state: Path) -> Queue:
    """What ended runs wait for is among the requests, each action once. Raises InfraError."""
    queue, gone = queue_at(state), {old for old, _ in published(state)}
    for folder in folders(state):
        if folder.run in gone or b'"needs-approval"' not in (folder.read(REPORT) or b""):
            continue
        try:
            kept = resuming.vouched(folder, _require_waiting)
        except RunnerError:  # nobody can let that out
            continue
        if not queue.known(_asked(kept)):
            _ask(kept, state)
    return queue


def sync(state: Path, pull: int | None, workflow_run: int | None) -> tuple[Taken, ...]:
    """Takes the words that people gave on GitHub; what became of each.

    Raises:
        ConfigError: there is no token or no approver's key, or neither number is given.
        InfraError: GitHub cannot be asked.
    """
    from runner.broker.keys import load_key
    from runner.forge.github import GithubForge
    from runner.forge.reviews import read_reviews

    if pull is None and workflow_run is None:
        raise ConfigError("neither a pull request nor a workflow's run", "give --pull NUMBER")
    require_key(state, at_terminal=False)
    settings = load_settings(os.environ, {"state": str(state)})

    def token() -> str:
        return load_key(settings.github_token).secret.decode()

    queue = enqueue(state)
    taken: list[Taken] = []
    for remote in {action.remote: None for _, action in github.open_publications(queue)}:
        reviews = read_reviews(GithubForge(remote, token), pull, workflow_run)
        taken += github.take(queue, reviews, remote)
    return tuple(taken)


def require_key(state: Path, *, at_terminal: bool) -> None:
    """The first word at a terminal makes the approver's key. Raises ConfigError: there is none."""
    asking.require_key(state, may_make=at_terminal and not asking.in_ci(os.environ))


def _given(kept: Kept, state: Path, digest: str | None, at_terminal: bool) -> Approval:
    action, name = _asked(kept), kept.report.run
    if digest is None:
        word = queue_at(state, kept.plan.approvals).allowed(action)
        if word is None:
            raise NeedsApprovalError(
                f"nobody has approved what run {name} waits for", f"codex-runner approve {name}"
            )
        return word
    if len(digest) < PREFIX or not action.digest().startswith(digest.lower()):
        raise ConfigError(
            f"{digest!a} is not what run {name} waits for",
            f"read it again: codex-runner approve {name}",
        )
    if not at_terminal:
        raise ConfigError(
            "a person approves at a terminal, and this is none",
            f"type it yourself, or let somebody approve elsewhere: codex-runner approve {name}"
            " --approved",
        )
    require_key(state, at_terminal=at_terminal)
    queue, request = _ask(kept, state)
    return queue.resolve(request, "yes", digest, this_user(), "terminal")


def _ask(kept: Kept, state: Path) -> tuple[Queue, str]:
    level = kept.plan.standing.level if kept.report.standing is None else kept.report.standing.level
    queue, action = queue_at(state, kept.plan.approvals, level), _asked(kept)
    changes = kept.patch.changes
    summary = (
        f"publish tree {action.tree[:PREFIX]} of run {action.run} to {action.remote}"
        f" for {action.target}: {len(changes)} files,"
        f" +{sum(each.added for each in changes)} -{sum(each.deleted for each in changes)} lines"
    )
    request = queue.ask(action, summary)
    if request is None:
        raise InfraError(
            f"the request for run {action.run} cannot be kept", "codex-runner approvals list"
        )
    return queue, request


def published(state: Path) -> Iterator[tuple[RunId, RunId]]:
    """Runs that another one has let out, or is about to, and that one. A failed attempt left
    nothing behind: it can be approved again."""
    for later in folders(state):
        plan = abandoned.plan_of(later)
        if plan is None or plan.resumed is None:
            continue
        content = later.read(REPORT)
        if content is None or read_report(content, REPORT).publication is not None:
            yield plan.resumed, later.run


def _asked(kept: Kept) -> Action:
    return _action(kept, kept.plan, kept.patch.base_commit, kept.patch.tree)


def _action(kept: Kept, plan: Plan, base: Oid, tree: Oid) -> Action:
    return Action(
        what="publish",
        run=kept.report.run,
        base=base,
        tree=tree,
        remote=plan.remote or "",
        target=plan.target,
        policy=plan.policy_sha256,
        asker=f"agent:{kept.plan.model}",
    )


def _require_waiting(report: RunReport) -> None:
    if report.conclusion != "needs-approval" or report.standing is None:
        raise ConfigError(
            f"run {report.run} ended {report.conclusion}: it waits for nobody",
            f"codex-runner explain {report.run}",
        )


def _require_unpublished(folder: RunFolder) -> None:
    for old, later in published(folder.state):
        if old == folder.run:
            raise ConfigError(
                f"run {folder.run} was approved already, in {later}", f"codex-runner show {later}"
            )


def _continued(plan: Plan, kept: Kept, word: Approval) -> Plan:
    old = kept.report.standing
    assert old is not None
    note = f"approves run {kept.report.run}: {word.approver}, action {word.action[:PREFIX]}"
    return plan.model_copy(
        update={
            "resumed": kept.report.run,
            "model": kept.plan.model,
            "agent": kept.plan.agent,
            "reviewer_model": kept.plan.reviewer_model,
            "standing": plan.standing.lowered(old.bounds),
            "notes": (*plan.notes, note),
        }
    )


@dataclass(frozen=True, slots=True)
class _Story:
    """`run.finish` with a person's word, on what another run has judged."""

    kept: Kept
    word: Approval

    def __call__(self, world: World, told: Told) -> None:
        kept, plan = self.kept, world.plan
        told.plan = plan
        world.folder.write("plan.json", plan.canonical())
        told.phase("restore")
        patch = told.patch = resuming.restored(world, kept)
        world.folder.write(PATCH, world.source.diff(patch))
        told.attempts, told.agent = kept.report.attempts, kept.report.agent
        told.gates = kept.report.gates
        told.standing = plan.standing.measured(told.gates)
        publish.require_possible(told.standing)
        assert world.forge is not None and told.agent is not None  # or it would not have waited
        self._use(world, _action(kept, plan, world.source.base.commit, patch.tree))
        told.approval = self.word
        if (reason := world.halted()) is not None:
            raise stopped(reason, "the publication")
        told.phase("publish")
        told.forget()
        publish.publish(world, world.forge, told, patch, told.agent)

    def _use(self, world: World, action: Action) -> None:
        """Raises RefusedError: the word does not allow this action, or not any more."""
        state = world.folder.path.parent.parent
        queue = queue_at(state, world.plan.approvals)
        why = queue.use(self.word.id, action, datetime.now(UTC))
        if why is not None:
            raise RefusedError(
                f"the approval does not hold: {why}",
                f"the policy, the remote or the repository has changed since run "
                f"{self.kept.report.run}: run the task again",
            )
