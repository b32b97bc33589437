"""A person lets out what a supervised run has judged: exactly that tree, to that place, once.

1. Only what that run's receipt vouches for is believed: that its gates passed, and which tree.
2. The person names the action by its digest. It is made anew from today's policy, remote and
   repository; where anything of it differs, the word was given for something else.
3. The word is used up before anything leaves; what was published is not published again.
"""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner import abandoned, publish, resuming, wiring
from runner.checking import Unlent
from runner.errors import ConfigError, RefusedError
from runner.ledger.folder import PATCH, REPORT, RunFolder, find, folders, on_disk, private_directory
from runner.lending import held_keys
from runner.policy.settings import load_settings
from runner.records.approval import PREFIX, Action, Approval, ApprovalId, objection
from runner.records.base import Oid
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.report.saved import read_report
from runner.resuming import Kept
from runner.told import Told, stopped
from runner.way import Way
from runner.world import World

USED = "approvals"
"""Folder of the state directory with a file for each that was used."""
VALID = timedelta(minutes=15)


def waiting(prefix: str | None, state: Path) -> Action:
    """What a run waits for. Raises ConfigError, RefusedError: it waits for nothing."""
    return _asked(resuming.vouched(find(state, prefix), _require_waiting))


def approve(
    prefix: str | None, digest: str, state: Path, repository: Path, *, quiet: bool = False
) -> tuple[RunReport, RunFolder]:
    """Publishes it; the report is a new run's, whose plan names the old one.

    Raises:
        ConfigError: no such run, none that waits, or `digest` is not the beginning of its action's.
        RefusedError: its receipt does not vouch for it.
    """
    folder = find(state, prefix)
    with resuming.claimed(folder):
        kept = resuming.vouched(folder, _require_waiting)
        _require_unpublished(folder)
        asked = _asked(kept).digest()
        if len(digest) < PREFIX or not asked.startswith(digest.lower()):
            raise ConfigError(
                f"{digest!r} is not what run {folder.run} waits for",
                f"read it again: codex-runner approve {folder.run}",
            )
        now = datetime.now(UTC)
        word = Approval(
            id=ApprovalId(secrets.token_hex(16)),
            action=asked,
            approver=_this_user(),
            approved_at=now,
            expires_at=now + VALID,
        )
        settings = load_settings(os.environ, resuming.words(kept, state))
        resuming.require_base(kept, repository, settings)
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
        )
        return wiring.perform(asks, quiet=quiet, way=way)


def _this_user() -> str:
    """As the system knows them, whatever the environment says."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:{os.getuid()}"


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
    """A failed attempt to publish left nothing behind: it can be approved again."""
    for later in folders(folder.state):
        plan = abandoned.plan_of(later) if later.run != folder.run else None
        if plan is None or plan.resumed != folder.run:
            continue
        content = later.read(REPORT)
        if content is None or read_report(content, REPORT).publication is not None:
            raise ConfigError(
                f"run {folder.run} was approved already, in {later.run}",
                f"codex-runner show {later.run}",
            )


def _continued(plan: Plan, kept: Kept, word: Approval) -> Plan:
    old = kept.report.standing
    assert old is not None
    note = f"approves run {kept.report.run}: {word.approver}, action {word.action[:PREFIX]}"
    return plan.model_copy(
        update={
            "resumed": kept.report.run,
            "model": kept.plan.model,
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
        home = world.folder.path.parent.parent / USED
        with on_disk(home):
            private_directory(home)
            used = {ApprovalId(path.name) for path in home.iterdir()}
        why = objection(self.word, action, datetime.now(UTC), used)
        if why is None:
            try:
                (home / self.word.id).touch(0o600, exist_ok=False)
            except FileExistsError:
                why = "it was used already"
        if why is not None:
            raise RefusedError(
                f"the approval does not hold: {why}",
                f"the policy, the remote or the repository has changed since run "
                f"{self.kept.report.run}: run the task again",
            )
