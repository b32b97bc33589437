"""A person's word on GitHub: a review of the pull request, or the approval of an environment.

It counts where GitHub says who gave it, for exactly the commit that the run began from, and when
its text names the action: `codex-runner approve DIGEST` or `codex-runner deny DIGEST`.
A review of a commit that is no longer the head is none; of several by one person the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from runner.approvals.queue import Queue
from runner.errors import RunnerError
from runner.records.approval import PREFIX, Action, ApprovalId, ApprovalRequest
from runner.records.forge_review import ForgeReview

_NAMED = re.compile(rf"\bcodex-runner (approve|deny) ([0-9a-f]{{{PREFIX},64}})\b")
_WORDS = {"approved": "approve", "rejected": "deny"}


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one review that names a request."""

    review: ForgeReview
    request: ApprovalId
    why: str
    """Why it does not count; empty = it does."""


def take(queue: Queue, reviews: Iterable[ForgeReview], remote: str) -> tuple[Taken, ...]:
    """Every word that these reviews are is given to the queue, the earliest first. They are of the
    repository at `remote`."""
    waiting = [asked for asked, action in open_publications(queue) if action.remote == remote]
    return tuple(
        Taken(review, asked.id, _given(queue, asked, review))
        for review in _last_of_each(reviews)
        for asked in waiting
        if _word(review, asked) is not None
    )


def open_publications(queue: Queue) -> Iterator[tuple[ApprovalRequest, Action]]:
    """Those that can still be answered."""
    for asked, state in queue.requests():
        if asked.kind == "publish" and state in ("waiting", "approved"):
            yield asked, Action.model_validate_json(asked.content)


def objection(review: ForgeReview, asked: ApprovalRequest) -> str:
    """Why it is no word on this request; empty = it is."""
    word = _word(review, asked)
    if word is None:
        return "it does not name the action"
    if word != _WORDS.get(review.state):
        return f"its text says {word}, the review is {review.state}"
    if not review.login or not review.is_person:
        return "it is nobody's, or a program's"
    if not review.belongs:
        return f"{review.login} does not belong to the repository"
    if review.login.casefold() in {author.casefold() for author in review.authors}:
        return f"{review.login} reviews what they asked for themselves"
    if asked.kind != "publish":
        return "a command is not approved on GitHub"
    if not review.commit == review.head == Action.model_validate_json(asked.content).base:
        return "it is about another commit than the one the run began from"
    return ""


def _given(queue: Queue, asked: ApprovalRequest, review: ForgeReview) -> str:
    if why := objection(review, asked):
        return why
    word: Literal["yes", "no"] = "yes" if review.state == "approved" else "no"
    try:
        queue.resolve(asked.id, word, asked.action, f"github:{review.login}", "github")
    except RunnerError as error:
        return error.problem
    return ""


def _word(review: ForgeReview, asked: ApprovalRequest) -> str | None:
    """`approve` or `deny`, if its text names this action."""
    named = _NAMED.search(review.text)
    return named[1] if named and asked.action.startswith(named[2]) else None


def _last_of_each(reviews: Iterable[ForgeReview]) -> list[ForgeReview]:
    """Comments do not take back what was said."""
    said = sorted((each for each in reviews if each.state != "other"), key=lambda each: each.at)
    last = {each.login.casefold(): each for each in said}
    return sorted(last.values(), key=lambda each: each.at)
