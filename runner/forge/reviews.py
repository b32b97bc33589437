"""What people said on GitHub: reviews of a pull request, approvals of a workflow's environments.

https://docs.github.com/en/rest/pulls/reviews and
https://docs.github.com/en/rest/actions/workflow-runs (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from runner.errors import InfraError
from runner.forge.address import parse_remote
from runner.forge.github import GithubForge
from runner.records.base import Oid
from runner.records.forge_review import ForgeReview

if TYPE_CHECKING:
    from github.Repository import Repository

State = Literal["approved", "rejected", "other"]
_STATES: dict[str, State] = {
    "APPROVED": "approved",
    "CHANGES_REQUESTED": "rejected",
    "approved": "approved",
    "rejected": "rejected",
}
_BELONGS = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
_NOT_GITHUB = (RuntimeError, AssertionError, TypeError, ValueError, AttributeError, KeyError)


def read_reviews(
    forge: GithubForge, pull: int | None, workflow_run: int | None
) -> tuple[ForgeReview, ...]:
    """Of a pull request, of a workflow's run, or of both.

    Raises:
        ConfigError: PyGithub or the token is missing.
        InfraError: GitHub refused, failed, could not be reached, or does not answer like itself.
    """
    forge.require()
    import github
    import requests

    slug = parse_remote(forge.remote).slug
    try:
        with closing(forge._connection(forge.token())) as connection:  # same room
            repository = connection.get_repo(slug)
            found = [*_of_pull(repository, pull)] if pull is not None else []
            found += _of_run(repository, workflow_run) if workflow_run is not None else ()
            return tuple(found)
    except github.GithubException as error:
        raise InfraError(
            f"GitHub answered {error.status} about reviews in {slug}",
            "the token needs: Pull requests read, Actions read, on this repository",
        ) from error
    except requests.RequestException as error:
        kind = type(error).__name__
        raise InfraError(f"{forge.base_url} cannot be reached: {kind}", "try later") from error
    except (github.BadAttributeException, *_NOT_GITHUB) as error:
        raise InfraError(
            f"{forge.base_url} does not answer like GitHub", "check its URL"
        ) from error


def _of_pull(repository: Repository, number: int) -> Iterator[ForgeReview]:
    pull = repository.get_pull(number)
    head, author = Oid(pull.head.sha), pull.user.login if pull.user else ""
    for review in pull.get_reviews():
        told, submitted_at = review.raw_data, review.submitted_at
        if submitted_at is None:  # not sent off yet
            continue
        yield ForgeReview(
            **_who(told.get("user")),
            belongs=told.get("author_association") in _BELONGS,
            state=_STATES.get(str(told.get("state")), "other"),
            commit=Oid(str(told.get("commit_id"))),
            head=head,
            authors=(author,),
            text=str(told.get("body") or ""),
            at=submitted_at.astimezone(UTC),
        )


def _of_run(repository: Repository, number: int) -> Iterator[ForgeReview]:
    """Who may approve an environment, its owner has listed: they belong to the repository."""
    run = repository.get_workflow_run(number)
    head = Oid(run.head_sha)
    authors = tuple(each.login for each in (run.actor, run.triggering_actor) if each)
    _, told = run.requester.requestJsonAndCheck("GET", f"{run.url}/approvals")
    rows: Any = told
    for row in rows:
        yield ForgeReview(
            **_who(row.get("user")),
            belongs=True,
            state=_STATES.get(str(row.get("state")), "other"),
            commit=head,
            head=head,
            authors=authors,
            text=str(row.get("comment") or ""),
            at=_updated(row),
        )


def _who(user: Any) -> dict[str, Any]:
    told = user if isinstance(user, dict) else {}
    return {"login": str(told.get("login") or ""), "is_person": told.get("type") == "User"}


def _updated(row: Any) -> datetime:
    """An approval has no time of its own; its environments have."""
    told = [str(each.get("updated_at")) for each in row.get("environments", ())]
    times = [datetime.fromisoformat(each).astimezone(UTC) for each in told]
    return max(times, default=datetime.now(UTC))
