"""A reviewing model looks at what waits: it may order, group, annotate and advise, no more.

1. What it says is data: whatever is no advice on exactly these requests is none.
2. It gives no word. Its advice to approve counts only for a class of commands that the policy lists
   as low-risk, by rules on the command that are applied anew when the approval is used.
3. Nothing gets weaker: a request is as far as it was, or waits, whatever the model says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field, ValidationError

from runner.approvals.queue import Queue
from runner.errors import RunnerError
from runner.records.approval import LOW_RISK, ApprovalRequest
from runner.records.base import Record
from runner.text import line

NOTE = 200
"""Characters of a note that are shown."""
Reviewer = Callable[[tuple[ApprovalRequest, ...]], bytes]
"""Asks a model; what it says, in JSON. A RunnerError, TimeoutError or OSError is no answer."""


class Advice(Record):
    """What a reviewer says, by the ids of requests."""

    order: list[str] = Field(default_factory=list)
    """The most urgent first."""
    notes: dict[str, str] = Field(default_factory=dict)
    approve: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Group:
    """One line for a person: requests for the very same action."""

    requests: tuple[ApprovalRequest, ...]
    note: str = ""
    """A model's words; to be shown as such."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The queue as a person sees it."""

    groups: tuple[Group, ...]
    advised: tuple[ApprovalRequest, ...] = ()
    """Low-risk ones that the policy lets a reviewer approve, and it would."""


def reviewed(
    requests: tuple[ApprovalRequest, ...], said: bytes | None, auto: tuple[str, ...]
) -> Reviewed:
    """Pure. All requests are in the groups, each once; `said` None = the model did not answer."""
    advice = _advice(requests, said)
    place = {name: number for number, name in enumerate(advice.order)}
    ranked = sorted(requests, key=lambda asked: (place.get(asked.id, len(place)), asked.asked_at))
    groups: dict[str, list[ApprovalRequest]] = {}
    for asked in ranked:
        groups.setdefault(asked.action, []).append(asked)
    return Reviewed(
        tuple(Group(tuple(same), line(_note(advice, same), NOTE)) for same in groups.values()),
        tuple(asked for asked in ranked if asked.id in advice.approve and is_low_risk(asked, auto)),
    )


def is_low_risk(asked: ApprovalRequest, auto: tuple[str, ...]) -> bool:
    """Of a class that the policy lets a reviewer approve; a publication never is."""
    return asked.kind == "command" and asked.risk in LOW_RISK and asked.risk in auto


def review(queue: Queue, reviewer: Reviewer) -> Reviewed:
    """What waits, looked at by a model; its advice is kept in the queue."""
    waiting = tuple(asked for asked, state in queue.requests() if state == "waiting")
    said: bytes | None = None
    if waiting:
        try:
            said = reviewer(waiting)
        except (RunnerError, TimeoutError, OSError):
            said = None
    found = reviewed(waiting, said, queue.standing.rules.auto)
    for asked in found.advised:
        queue.advise(asked.id, "a reviewer advises it")
    return found


def _advice(requests: tuple[ApprovalRequest, ...], said: bytes | None) -> Advice:
    """None at all where any of it is malformed or about something else."""
    try:
        advice = Advice.model_validate_json(said or b"{}")
    except ValidationError:
        return Advice()
    named = {*advice.order, *advice.notes, *advice.approve}
    return advice if named <= {asked.id for asked in requests} else Advice()


def _note(advice: Advice, same: list[ApprovalRequest]) -> str:
    return next((advice.notes[asked.id] for asked in same if asked.id in advice.notes), "")
