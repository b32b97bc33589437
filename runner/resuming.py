"""A run continued: same base, task and plan, from the patch that another run kept.

1. Only what that run's receipt vouches for is believed; the patch must be the signed one, and make
   the signed tree of the same base again.
2. The policy is today's, and never looser than the plan's was where it judges.
3. Every session of before counts: requests, tokens and time are what is left, not granted anew.
4. Each run is continued once at most: the newest is the one to continue.
5. At level 0 nothing is gone on with: the agent reads and tells, as in every run of that level.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner import abandoned, attempt, audit, run, session, setup, wiring
from runner.agent.prompt import resume_prompt
from runner.changed import loosened
from runner.errors import BudgetError, ConfigError, RefusedError
from runner.ledger.folder import PATCH, RunFolder, find, folders
from runner.policy.levels import standing_at
from runner.policy.settings import Settings, load_settings
from runner.records.agent import AgentResult
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.report import Attempt, RunReport
from runner.records.task import how_to_raise
from runner.records.usage import Allowance
from runner.told import Told
from runner.vouching import vouched_report
from runner.way import Way
from runner.workspace.branch import leads_to
from runner.world import World

JUDGING = ("files", "lines", "bytes", "binaries")
"""Limits of the gates; all others are budgets, which today's policy alone decides."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier run left, as its receipt signs it."""

    report: RunReport
    plan: Plan
    patch: Patch
    content: bytes

    @property
    def sessions(self) -> tuple[AgentResult, ...]:
        """All of the author's, earlier runs' included."""
        last = () if self.report.agent is None else (self.report.agent,)
        return (*(attempt.agent for attempt in self.report.attempts), *last)

    @property
    def finished(self) -> AgentResult | None:
        """The agent's last session, if it ended well: then the gates are next."""
        agent = self.report.agent
        return agent if agent is not None and agent.ok else None

    @property
    def broken_off(self) -> tuple[Attempt, ...]:
        """The last session, when it did not end well."""
        agent, refusal = self.report.agent, f"{self.why} (run {self.report.run})"
        if agent is None:
            return ()
        ended = Attempt(agent=agent, tree=self.patch.tree, gates=self.report.gates, refusal=refusal)
        return (ended,)

    @property
    def why(self) -> str:
        problem = self.report.problem
        return problem.problem if problem is not None else self.report.conclusion


def resume(
    prefix: str | None, state: Path, repository: Path, *, publish: bool = True, quiet: bool = False
) -> tuple[RunReport, RunFolder]:
    """Goes on with a run; its report is a new run's, whose plan names the old one.

    Raises:
        ConfigError: no such run, not one that can go on, its base is gone.
        RefusedError: its receipt does not vouch for it.
        BudgetError: nothing is left for another session.
    """
    folder = find(state, prefix)
    with claimed(folder):
        kept = vouched(folder, _require_unfinished)
        _require_last(folder)
        settings = load_settings(os.environ, words(kept, state))
        require_base(kept, repository, settings)
        asked = wiring.Asked(
            task=kept.plan.task,
            repository=repository,
            base=kept.plan.base_commit,
            publish=publish and kept.plan.remote is not None,
            settings=words(kept, state),
            words=kept.plan.words,
        )
        way = Way(story=_Story(kept), plan=lambda plan: _continued(plan, kept))
        return wiring.perform(asked, quiet=quiet, way=way)


def words(kept: Kept, state: Path) -> dict[str, str]:
    """What the command line says of settings: the forge is the one the run was asked to use."""
    forge = {} if kept.plan.forge is None else {"forge": kept.plan.forge}
    return {"state": str(state), **forge}


@contextmanager
def claimed(folder: RunFolder) -> Iterator[None]:
    """Nobody else continues it meanwhile."""
    handle = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ConfigError(
            f"run {folder.run} is being resumed by another process", "codex-runner list"
        ) from None
    finally:
        os.close(handle)


def vouched(folder: RunFolder, require: Callable[[RunReport], None]) -> Kept:
    """What an ended run left, if its receipt vouches for it and `require` raises nothing."""
    name, report = folder.run, vouched_report(folder)
    require(report)
    content = folder.read(PATCH)
    assert report.plan is not None and report.patch is not None
    if not content:
        raise ConfigError(f"run {name} kept no patch", "run the task again")
    kept = Kept(report, report.plan, report.patch, content)
    if not any(each.usage.tool_calls for each in kept.sessions):
        why = f"files of run {name} were written, but the model never asked for a tool"
        raise RefusedError(why, "do not use its patch unread; run the task again")
    behind = [line for each in kept.sessions if each.gated for line in each.gated.unreceipted]
    if behind:  # however its session ended
        why = f"in run {name} something ran that the gate had not allowed: {behind[0]}"
        raise RefusedError(why, "do not use its patch unread; run the task again")
    return kept


def _require_last(folder: RunFolder) -> None:
    for later in folders(folder.state):
        plan = abandoned.plan_of(later) if later.run != folder.run else None
        if plan is not None and plan.resumed == folder.run:
            raise ConfigError(
                f"run {folder.run} was resumed already, as {later.run}",
                f"codex-runner show {later.run}",
            )


def _require_unfinished(report: RunReport) -> None:
    name = report.run
    if report.unfinished:
        return
    again = "run the task again"
    endings = {
        "published": ("is published already", f"codex-runner show {name}"),
        "judged": ("passed its gates: nothing is left to do", f"codex-runner apply {name}"),
        "needs-approval": ("passed its gates and waits", f"codex-runner approve {name}"),
        "refused": ("was refused by its gates", f"codex-runner explain {name}"),
    }
    gone = "its agent left no change" if report.plan is not None else "it never began"
    why, remedy = endings.get(report.conclusion, (f"ended {report.conclusion}, and {gone}", again))
    raise ConfigError(f"run {name} {why}", remedy)


def require_base(kept: Kept, repository: Path, settings: Settings) -> None:
    """The history may have grown since; it must not have been rewritten."""
    base, revision = kept.plan.base_commit, kept.plan.task.base
    if not leads_to(repository, base, revision, settings.alternates):
        raise ConfigError(
            f"the base {base} of run {kept.report.run} is no longer in the history of"
            f" {revision or 'HEAD'} in {repository.resolve()}",
            "name the repository with -C, check its branch out, or run the task again",
        )


def _left(budget: Allowance, kept: Kept) -> Allowance:
    """Of the budget of one run, after what this one has cost so far."""
    bound = budget.run_usd_micros
    if bound is None:
        return budget
    usages = [*(each.usage for each in kept.sessions), kept.report.review_usage]
    spent = sum(usage.cost_usd_micros or 0 for usage in usages if usage is not None)
    if spent >= bound:
        raise BudgetError(
            f"nothing is left of run_usd: run {kept.report.run} has spent it",
            "raise run_usd under [budget] in config.toml",
        )
    return budget.model_copy(update={"run_usd_micros": bound - spent})


def _continued(plan: Plan, kept: Kept) -> Plan:
    """Today's plan for the same task, tightened to what the run began with."""
    old = kept.plan
    if plan.remote is not None and plan.remote != old.remote:
        raise ConfigError(
            f"run {old.run} was to publish to {old.remote}, the remote is now {plan.remote}",
            "set the remote back, or give --no-publish",
        )
    limits = plan.limits.model_copy(
        update={
            name: min(getattr(plan.limits, name), getattr(old.limits, name)) for name in JUDGING
        }
    )
    note = f"continues run {old.run}, which ended {kept.report.conclusion}"
    continued = plan.model_copy(
        update={
            "resumed": old.run,
            "limits": limits,
            "budget": _left(plan.budget, kept),
            "protected": tuple(sorted({*plan.protected, *old.protected})),
            "test": plan.test or old.test,
            "target": old.target,
            "model": old.model,
            "agent": plan.agent and plan.agent.model_copy(update={"model": old.model}),
            "reviewer_model": old.reviewer_model,
            "notes": (*plan.notes, note),
        }
    )
    if looser := loosened(old, continued):
        raise ConfigError(
            f"the policy judges less than when run {old.run} began: {', '.join(looser)}",
            "tighten it again, or run the task again",
        )
    return standing_at(continued, plan.standing.lowered(old.standing.bounds))


@dataclass(frozen=True, slots=True)
class _Story:
    """`run.tell`, from where another run ended."""

    kept: Kept

    def __call__(self, world: World, told: Told) -> None:
        kept, plan = self.kept, world.plan
        world.folder.write("plan.json", plan.canonical())
        if plan.standing.level == 0:  # not even a patch that its agent could be told to go on with
            told.attempts = (*kept.report.attempts, *kept.broken_off)
            _require_room(plan, kept.sessions)
            audit.audit(world, told, setup.prepare(world, told))
            return
        told.phase("restore")
        patch = told.patch = restored(world, kept)
        world.folder.write(PATCH, world.source.diff(patch))
        told.attempts = kept.report.attempts
        if kept.finished is not None:
            told.agent = kept.finished
        else:
            told.attempts = (*told.attempts, *kept.broken_off)
            _require_room(plan, kept.sessions)
        told.keep()
        ready = patch if kept.finished is not None else None
        prompt = "" if ready else resume_prompt(plan, world.admit("how it ended", kept.why)[0])
        layers = setup.prepare(world, told)
        with world.source.workspace(world.engine, "agent", patch.tree, layers) as overlay:
            judged = attempt.succeed(world, told, overlay, layers, prompt, ready)
        run.finish(world, told, judged)


def restored(world: World, kept: Kept) -> Patch:
    """Raises RefusedError: the patch does not make the signed tree of this base."""
    source = world.source
    tree = source.apply(kept.content)
    if tree != kept.patch.tree or source.base.tree != kept.patch.base_tree:
        raise RefusedError(
            f"the patch of run {kept.report.run} does not make the tree its receipt signs",
            "run the task again",
        )
    return source.adopt(tree, message=world.commit_message(world.plan))


def _require_room(plan: Plan, sessions: tuple[AgentResult, ...]) -> None:
    """For one more session of the agent."""
    spent = {
        name: sum(getattr(each.usage, name) for each in sessions)
        for name in ("requests", "tool_calls", "input_tokens", "output_tokens")
    }
    spent["wall_s"] = plan.limits.wall_s - session.left_s(plan.limits, sessions)
    for name, used in spent.items():
        least = attempt.LEAST_S if name == "wall_s" else 1
        if getattr(plan.limits, name) - used < least:
            raise BudgetError(
                f"nothing is left of {name} {getattr(plan.limits, name)} for another session: "
                f"{used} were used",
                f"{how_to_raise(name)}; what task or command line set stays: run it anew",
            )
