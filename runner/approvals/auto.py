"""A reviewing model looks at what waits: it may order, annotate and advise, no more.

1. What it says is data: whatever is no answer to exactly this question is none.
2. It gives no word. Its advice to approve counts only for a class of commands that the policy lists
   as low-risk, by rules on the command that are applied anew when the approval is used.
3. Nothing gets weaker: a request is as far as it was, or waits, whatever the model says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import Field, ValidationError

from runner.approvals.auto_question import Question
from runner.approvals.queue import Queue
from runner.errors import RunnerError
from runner.records.approval import LOW_RISK, Advice, ApprovalId, ApprovalRequest
from runner.records.base import Record, Sha256
from runner.text import line

NOTE = 200
"""Characters of a note that are shown."""
Reviewer = Callable[[Question], str]
"""Asks a model; what it says. A RunnerError is no answer."""


class Said(Record):
    """Of one request."""

    request: ApprovalId
    action: Sha256
    approve: bool
    note: str = Field(max_length=2000)


class Answer(Record):
    """The whole answer, as `auto_question.schema` asks for it."""

    nonce: str
    requests: list[Said]


@dataclass(frozen=True, slots=True)
class Group:
    """One line for a person: requests for the very same action."""

    requests: tuple[ApprovalRequest, ...]
    note: str = ""
    """A model's words; to be shown as such."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The requests as a person sees them, the most urgent first."""

    groups: tuple[Group, ...]
    advised: tuple[ApprovalRequest, ...] = ()
    """Low-risk ones that the policy lets a reviewer approve, and it would."""


def reviewed(question: Question, said: str | None, auto: tuple[str, ...]) -> Reviewed:
    """Pure. All requests are in the groups, each once; `said` None = the model did not answer."""
    answer = _answer(question, said)
    place = {name: number for number, name in enumerate(answer)}
    requests = question.requests
    ranked = sorted(requests, key=lambda asked: (place.get(asked.id, len(place)), asked.asked_at))
    groups: dict[str, list[ApprovalRequest]] = {}
    for asked in ranked:
        groups.setdefault(asked.action, []).append(asked)
    return Reviewed(
        tuple(Group(tuple(same), _note(answer, same)) for same in groups.values()),
        tuple(
            asked
            for asked in ranked
            if asked.id in answer and answer[asked.id].approve and is_low_risk(asked, auto)
        ),
    )


def is_low_risk(asked: ApprovalRequest, auto: tuple[str, ...]) -> bool:
    """Of a class that the policy lets a reviewer approve; a publication never is."""
    return asked.kind == "command" and asked.risk in LOW_RISK and asked.risk in auto


def review(queue: Queue, question: Question, reviewer: Reviewer, model: str) -> Reviewed:
    """What waits, looked at by a model; what it says is kept in the queue.

    Raises:
        InfraError: it cannot be.
    """
    said: str | None = None
    with suppress(RunnerError):
        said = reviewer(question)
    found = reviewed(question, said, queue.standing.rules.auto)
    if _answer(question, said):
        for place, group in enumerate(found.groups):
            for asked in group.requests:
                approve = asked in found.advised
                advice = Advice(model=model, approve=approve, note=group.note, place=place)
                queue.advise(asked.id, advice)
    return found


def _answer(question: Question, said: str | None) -> Mapping[str, Said]:
    """By request, in its order; empty where any of it is malformed, or about something else."""
    try:
        answer = Answer.model_validate_json(said or "")
    except ValidationError:
        return {}
    named = sorted((each.request, each.action) for each in answer.requests)
    if answer.nonce != question.nonce or named != sorted(question.digests):
        return {}
    return {each.request: each for each in answer.requests}


def _note(answer: Mapping[str, Said], same: list[ApprovalRequest]) -> str:
    notes = (answer[asked.id].note for asked in same if asked.id in answer)
    return line(next((note for note in notes if note), ""), NOTE)
