"""What became of the requests of old runs: asked of their forges, appended with the verifier's key.

1. Only runs whose receipt vouches for what they published are asked about.
2. Each thing that became of a request is appended once; what the ledger knows already is read from
   verified entries alone.
3. A forge that cannot be asked is told; the other runs are asked all the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner.broker.keys import load_key
from runner.errors import RunnerError
from runner.forge.address import without_credentials
from runner.forge.github import GithubForge
from runner.forge.github_outcomes import GithubFates
from runner.forge.local_outcomes import LocalFates
from runner.forge.outcomes import Became, Fates, Requested
from runner.ledger.folder import PATCH, RunFolder, folders
from runner.ledger.outcomes import Told
from runner.policy.settings import Settings
from runner.records.base import RunId
from runner.records.identity import Agent
from runner.records.patch import Change
from runner.records.plan import Plan
from runner.records.report import Publication, RunReport
from runner.records.trust import FORGE, FULL, Outcome, OutcomeKind
from runner.trusting import Log, read_book
from runner.vouching import vouched_report

WHOLE_LINES = 25
"""A change of so many lines counts whole."""
WATCHED = timedelta(days=90)
"""After a merge, and after a close: a later revert or second thought is not looked for."""


@dataclass(frozen=True, slots=True)
class Synced:
    """One run that published something."""

    run: RunId
    request: str
    state: str
    """`open`, or the last that became of it."""
    added: tuple[OutcomeKind, ...] = ()
    problem: str = ""
    """Why it could not be asked."""


@dataclass(frozen=True, slots=True)
class Sync:
    """`hear` is told of each run before it is asked about: its number, of how many, its id."""

    state: Path
    settings: Settings
    ledger: Log
    environ: Mapping[str, str]
    hear: Callable[[int, int, RunId], None] = lambda *_: None

    def all(self, remote: str | None = None) -> Iterator[Synced]:
        """Every run that published; `remote` = to this place only."""
        known: dict[str, list[Outcome]] = {}
        for each in read_book(self.state, self.ledger).outcomes:
            known.setdefault(each.opportunity, []).append(each)
        every = folders(self.state)
        for number, folder in enumerate(every, 1):
            self.hear(number, len(every), folder.run)
            row = self._one(folder, known.get(folder.run, []), remote)
            if row is not None:
                yield row

    def _one(self, folder: RunFolder, known: list[Outcome], remote: str | None) -> Synced | None:
        if folder.condition() != "sealed":
            return None
        try:
            report = vouched_report(folder)
            plan, published = report.plan, report.publication
            if plan is None or published is None or not _is_at(published.remote, remote):
                return None
            if plan.agent is None:
                return None
            became = self._became(folder, report, plan, published, known)
        except RunnerError as error:
            return Synced(folder.run, "", "unknown", problem=error.problem)
        told = {each.kind for each in known}
        fresh = [each for each in sorted(became, key=lambda b: b.at) if each.kind not in told]
        for each in fresh:
            self.ledger.append(_told(report, plan, published, plan.agent, each).statement())
        kinds = tuple(each.kind for each in fresh)
        last = [*(each.kind for each in known if each.kind in FORGE), *kinds]
        return Synced(folder.run, published.url, last[-1] if last else "open", kinds)

    def _became(
        self,
        folder: RunFolder,
        report: RunReport,
        plan: Plan,
        published: Publication,
        known: list[Outcome],
    ) -> tuple[Became, ...]:
        if _is_settled(known) or report.patch is None:
            return ()
        return self._fates(plan, published).of(
            Requested(
                branch=plan.branch,
                target=plan.target,
                base=plan.base_commit,
                commit=published.commit,
                number=published.number,
                patch=folder.read(PATCH) or b"",
                at=report.finished_at,
            )
        )

    def _fates(self, plan: Plan, published: Publication) -> Fates:
        if plan.forge != "github":
            return LocalFates(published.remote)
        reference = self.settings.github_token

        def token() -> str:
            return load_key(reference, self.environ).secret.decode()

        forge = GithubForge(published.remote, token)
        forge.require()
        return GithubFates(forge)


def _is_settled(known: list[Outcome]) -> bool:
    ended = [each for each in known if each.kind in {"merged", "closed"}]
    long_ago = all(datetime.now(UTC) - each.at > WATCHED for each in ended)
    return any(each.kind == "reverted" for each in known) or bool(ended and long_ago)


def _is_at(published: str, remote: str | None) -> bool:
    if remote is None:
        return True
    wanted, has = without_credentials(remote), without_credentials(published)
    here = Path(wanted)
    return wanted == has or (here.exists() and os.path.realpath(here) == os.path.realpath(has))


def _told(
    report: RunReport, plan: Plan, published: Publication, agent: Agent, became: Became
) -> Told:
    assert report.patch is not None
    changes = report.patch.changes
    remote = without_credentials(published.remote)
    return Told(
        opportunity=report.run,
        agent=agent.id,
        generation=agent.generation,
        tenant=agent.tenant,
        kind=became.kind,
        at=became.at,
        cluster=f"{remote}:{_place(changes)}",
        size=_size(changes),
        independent=became.independent,
        by=became.by,
        remote=remote,
        target=plan.target,
        commit=published.commit,
        landed=became.landed,
        request=published.url,
    )


def _place(changes: tuple[Change, ...]) -> str:
    """The directory at the top that most changed lines are in; empty = the top itself."""
    weights: dict[str, int] = {}
    for each in changes:
        top = each.path.partition("/")[0] if "/" in each.path else ""
        weights[top] = weights.get(top, 0) + each.added + each.deleted + 1
    return max(sorted(weights), key=lambda top: weights[top], default="")


def _size(changes: tuple[Change, ...]) -> int:
    """Thousandths: a change of a few lines says less than one of `WHOLE_LINES`."""
    lines = sum(each.added + each.deleted for each in changes)
    return min(FULL, max(1, lines) * FULL // WHOLE_LINES)
