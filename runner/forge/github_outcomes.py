"""What became of a pull request: GitHub's own words, asked through `GithubForge`.

https://docs.github.com/en/rest/pulls/pulls and .../rest/pulls/reviews (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from runner.errors import InfraError
from runner.forge.github import GithubForge
from runner.forge.outcomes import Became, Requested, reverts

if TYPE_CHECKING:
    from github.NamedUser import NamedUser
    from github.PullRequest import PullRequest
    from github.Repository import Repository

MOST_COMMITS = 500
"""Of the target, after the merge, that are looked through for a revert."""


@dataclass(frozen=True, slots=True)
class GithubFates:
    """The port `Fates` on GitHub."""

    forge: GithubForge

    def of(self, request: Requested) -> tuple[Became, ...]:
        if request.number is None:
            raise InfraError(f"the request of {request.branch} has no number", "ask its forge")
        with self.forge.repository() as (repository, address):
            pull = repository.get_pull(request.number)
            return tuple(_all(repository, pull, f"{address.slug}#{pull.number}"))


def _all(repository: Repository, pull: PullRequest, reference: str) -> Iterator[Became]:
    yield from _asked_for(pull)
    if pull.merged and pull.merged_at is not None:
        by = pull.merged_by
        landed = pull.merge_commit_sha or ""
        at = _utc(pull.merged_at)
        yield Became("merged", at, _login(by), _independent(by, pull), landed)
        if (revert := _revert(repository, pull, at, reference)) is not None:
            yield revert
    elif pull.state == "closed":
        yield Became("closed", _utc(pull.closed_at), independent=True)


def _asked_for(pull: PullRequest) -> Iterator[Became]:
    """The first time that somebody else wanted changes."""
    for review in pull.get_reviews():
        if review.state == "CHANGES_REQUESTED" and _independent(review.user, pull):
            yield Became("changes_requested", _utc(review.submitted_at), _login(review.user), True)
            return


def _revert(
    repository: Repository, pull: PullRequest, since: datetime, reference: str
) -> Became | None:
    """The last commit of the target that says it takes this one back."""
    gone = (pull.merge_commit_sha or "", pull.head.sha or "")
    commits = repository.get_commits(sha=pull.base.ref, since=since)
    for commit in islice(commits, MOST_COMMITS):
        message = commit.commit.message
        named = f"Reverts {reference}".lower() in message.lower().split("\n")
        if commit.sha not in gone and (named or reverts(message, gone)):
            at = max(_utc(commit.commit.committer.date), since)
            return Became("reverted", at, _login(commit.author), True, commit.sha)
    return None


def _independent(who: NamedUser | None, pull: PullRequest) -> bool:
    """A person, and another one than who opened it: a robot's merge is nobody's judgement."""
    if who is None or who.type == "Bot":
        return False
    return bool(who.login) and pull.user is not None and who.login != pull.user.login


def _login(who: NamedUser | None) -> str:
    return who.login if who is not None and who.login else ""


def _utc(at: datetime | None) -> datetime:
    """PyGithub's instants; some of its versions leave the zone out."""
    now = datetime.now(UTC)
    if at is None:
        return now
    return min(at if at.tzinfo else at.replace(tzinfo=UTC), now)
