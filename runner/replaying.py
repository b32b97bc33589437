"""Old runs under another policy: what it decides otherwise, and what its gates say of their patch.

1. Only what a run's receipt vouches for is believed; the patch has to make the signed tree again.
2. The repository's policy is the one at the run's base, as for a run that starts there again; what
   started the run is what it was then.
3. What cannot be judged again is told with its reason, and never counted as unchanged.
4. Nothing is run but the gates that need no sandbox and no model, and nothing is changed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from runner import judging, rejudging
from runner.changed import FieldChange, GateChange, field_changes, gate_changes, level_change
from runner.errors import ConfigError, RefusedError, RunnerError
from runner.gates.paths import PROTECTED
from runner.guardrails.secret_keys import Scan
from runner.ledger.folder import PATCH, RunFolder
from runner.policy.lattice import Decided
from runner.policy.layers import decide_run
from runner.policy.origins import Origins
from runner.policy.repo_policy import LOCATIONS, NONE, read_repo_policy
from runner.policy.settings import Settings
from runner.policy.setup import decide_setup
from runner.records.gate import GateReport
from runner.records.level import Standing
from runner.records.plan import Plan
from runner.records.policy import Layer
from runner.records.report import RunReport
from runner.report.markdown import commit_message, request_text
from runner.vouching import vouched_report
from runner.workspace.source import GitSource, open_source

NO_PATCH = "it kept no patch"
_CIRCUMSTANCES = ("trigger", "agent")


@dataclass(frozen=True, slots=True)
class Under:
    """The policy that the runs are put under."""

    settings: Settings
    """The operator's, as it is in force or with what is proposed."""
    repository: Path
    """Where the runs' bases are; only read."""
    scan: Callable[[], Scan]
    proposed: Layer | None = None
    """In place of every repository's own policy."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What would change for one run."""

    run: str
    title: str
    conclusion: str
    fields: tuple[FieldChange, ...] = ()
    gates: tuple[GateChange, ...] = ()
    unjudged: str = ""
    """Why its patch is not judged; empty = it is."""
    problem: str = ""
    """Why it is not replayed at all."""
    forged: bool = False
    """Its receipt does not vouch for it."""

    @property
    def changed(self) -> bool:
        return bool(self.fields or self.gates)

    @property
    def partial(self) -> bool:
        """There is more that could change."""
        return bool(self.problem) or self.unjudged not in ("", NO_PATCH)


def replay(folder: RunFolder, under: Under) -> Replay:
    """One run; that it cannot be replayed is told as well."""
    try:
        return _replay(*_vouched(folder), folder, under)
    except RunnerError as error:
        forged = isinstance(error, RefusedError)
        return Replay(folder.run, "", "", problem=error.problem, forged=forged)


def _replay(report: RunReport, old: Plan, folder: RunFolder, under: Under) -> Replay:
    with ExitStack() as stack:
        source, why_not = _source(old, under, stack)
        layer = under.proposed or _repository(old, source)
        if layer is None:
            problem = f"the repository's policy at its base cannot be read: {why_not}"
            raise ConfigError(problem, "name the repository with -C")
        decided = decide_run(old.task, under.settings.layers, layer, PROTECTED, old.words)
        bounds = [each for each in old.standing.bounds if each.who in _CIRCUMSTANCES]
        standing = rejudging.standing_under(decided, old.task, bounds)
        new = _plan(old, decided, standing, under.settings)
        reports: tuple[GateReport, ...] = ()
        unjudged = ""
        try:
            reports = _judged(folder, report, new, decided, source, why_not, under)
        except ConfigError as error:
            unjudged = error.problem
        return Replay(
            report.run,
            old.task.title,
            report.conclusion,
            fields=(*level_change(report, standing, reports), *field_changes(old, new, decided)),
            gates=tuple(gate_changes(report.gates, reports)),
            unjudged=unjudged,
        )


def _vouched(folder: RunFolder) -> tuple[RunReport, Plan]:
    """Raises as `vouched_report`, and ConfigError: it ended before it had a plan."""
    report = vouched_report(folder)
    if report.plan is None:
        raise ConfigError(f"run {folder.run} ended before it had a plan", "nothing was decided")
    return report, report.plan


def _source(old: Plan, under: Under, stack: ExitStack) -> tuple[GitSource | None, str]:
    """The repository at the run's base; None = why not."""
    place = stack.enter_context(tempfile.TemporaryDirectory(prefix="codex-runner-replay-"))
    alternates = under.settings.alternates
    try:
        source = open_source(
            under.repository, old.base_commit, Path(place), allow_dirty=True, alternates=alternates
        )
    except ConfigError as error:
        return None, error.problem
    stack.callback(source.close)
    return source, ""


def _repository(old: Plan, source: GitSource | None) -> Layer | None:
    """The policy at the base. Without the repository it is known only if there was none."""
    if source is not None:
        return read_repo_policy(source.base_blob, source.at_base)
    known = old.policy_sha256 and not {*LOCATIONS} & old.policy_sources.keys()
    return NONE if known else None


def _plan(old: Plan, decided: Decided, standing: Standing, settings: Settings) -> Plan:
    """As it would be made of the same task at the same base."""
    policy = decided.policy
    update = {
        "test": policy.test if isinstance(policy.test, str) else None,
        "setup": decide_setup(decided, settings.setup),
        "review": old.review.model_copy(
            update={
                "approvals": policy.review.approvals,
                "instructions": policy.review.instructions,
            }
        ),
    }
    return rejudging.plan_under(decided, old, standing).model_copy(update=update)


def _judged(
    folder: RunFolder,
    report: RunReport,
    new: Plan,
    decided: Decided,
    source: GitSource | None,
    why_not: str,
    under: Under,
) -> tuple[GateReport, ...]:
    """Raises ConfigError: why the patch cannot be judged."""
    kept, content = report.patch, folder.read(PATCH)
    if kept is None or not content:
        raise ConfigError(NO_PATCH, "")
    if source is None:
        raise ConfigError(why_not, "")
    tree = source.apply(content)
    if tree != kept.tree or source.base.tree != kept.base_tree:
        raise ConfigError("the patch does not make the tree that its receipt signs", "")
    try:
        patch = source.adopt(tree, message=commit_message(new))
    except RefusedError as refusal:
        return (judging.unmeasured(refusal),)
    texts = {"branch": new.branch, "commit message": commit_message(new)}
    if report.agent is not None:
        texts["title"], texts["body"] = request_text(new, patch, report.agent, ())
    origins = Origins(under.settings, decided)
    return rejudging.rejudge(new, source, patch, texts, under.scan(), origins)
