"""A person's word for one action: bound to exactly that, used once, for a short time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, NewType

from runner.records.base import Oid, Record, RunId, Sha256
from runner.records.decision import Proposal
from runner.records.merge import AnyTrue, Intersection, Least

ApprovalId = NewType("ApprovalId", str)
"""`ap_` and 16 hex digits of chance."""
Channel = Literal["terminal", "github", "webhook", "gateway", "web"]
"""How a person's word came; `web` is the gateway's page."""
Risk = Literal["inspect", "test", "format", "other", "critical"]
"""Of a command: reads only, runs tests, formats, unknown, or what a person always has to see."""
LOW_RISK: tuple[Risk, ...] = ("inspect", "test", "format")
"""What a policy may let a reviewer approve."""
LONGEST = timedelta(hours=24)
WORD_HOLDS = timedelta(minutes=15)
"""A word that was given and is not used."""
AT_TERMINAL = timedelta(minutes=15)
"""Where only somebody at the terminal can answer."""
PREFIX = 12
"""Digits of the digest that a person types at least."""
PEOPLE = ("user:", "github:", "token:")
"""How the names of people begin: those the system, the forge and the gateway know."""


class ApprovalRules(Record):
    """`[approvals]`: whose word counts, for how long, and what is asked at level 1."""

    commands: Annotated[bool, AnyTrue] = False
    """Every command that may change something waits as well, not the publication alone."""
    expires_s: Annotated[int, Least] = 14_400
    """How long a request waits; then it is denied."""
    auto: Annotated[tuple[str, ...], Intersection] = ()
    """Classes of commands that a reviewing model may approve: `inspect`, `test`, `format`."""
    approvers: Annotated[tuple[str, ...] | None, Intersection] = None
    """The only people whose word counts, e.g. `user:ada`, `github:ada`; None = any person."""


class Action(Record):
    """What is to happen. Its digest is what is approved: another tree, target or policy is another
    action."""

    what: Literal["publish"]
    run: RunId
    """Whose gates judged it."""
    base: Oid
    tree: Oid
    remote: str
    target: str
    policy: Sha256
    """Digest of the policy that it was judged under."""
    asker: str
    """Who wants it, e.g. `agent:gpt-5.5`."""


class ApprovalRequest(Record):
    """An action that waits for a person. Everything a word is bound to."""

    id: ApprovalId
    kind: Literal["publish", "command"]
    action: Sha256
    """Digest of the action."""
    content: str
    """The action itself, in the form that is digested."""
    summary: str
    """What a person is shown, made by the machine."""
    policy: Sha256
    level: int
    asker: str
    """E.g. `agent:ag_...`."""
    author: str = ""
    """The person on whose behalf it is asked, where a forge says so: may not approve either."""
    run: RunId
    risk: Risk = "other"
    approvers: tuple[str, ...] | None = None
    """As the policy names them."""
    asked_at: datetime
    """Aware, UTC."""
    expires_at: datetime


class Approval(Record):
    """One person's word on one action; signed, as the predicate of a statement."""

    id: ApprovalId
    """Of the request."""
    action: Sha256
    """Digest of the action."""
    approver: str
    """As the channel knows them, e.g. `user:ada`; never a name that somebody typed."""
    approved_at: datetime
    """Aware, UTC."""
    expires_at: datetime
    word: Literal["yes", "no"] = "yes"
    channel: Channel = "terminal"
    reason: str = ""
    """In the person's words."""
    request: Sha256 = Sha256("")
    """Digest of the whole request."""


class Advice(Record):
    """What a reviewing model says of one request. No word: `approve` counts only while the policy
    lists the class of the command."""

    model: str
    approve: bool
    note: str = ""
    """In the model's words."""
    place: int = 0
    """Among the requests it saw, the most urgent first, from 0."""


def barred(asked: ApprovalRequest, approver: str) -> str | None:
    """Why this person's yes does not count; None = it does."""
    if not approver.startswith(PEOPLE):
        return f"{approver or 'nobody'} is no person that is known here"
    if approver.casefold() in (asked.asker.casefold(), asked.author.casefold()):
        return f"{approver} may not approve what {asked.asker} asks for"
    if asked.approvers is not None and approver not in asked.approvers:
        return f"the policy does not name {approver} among those who may approve"
    return None


def objection(asked: ApprovalRequest, word: Approval, now: datetime) -> str | None:
    """Why a word does not allow what was asked; None = it does, now."""
    if (word.id, word.action, word.request) != (asked.id, asked.action, asked.digest()):
        return "it was given for another action"
    if word.word != "yes":
        return f"{word.approver} denied it"
    if why := barred(asked, word.approver):
        return why
    if not asked.asked_at <= word.approved_at <= now < min(word.expires_at, asked.expires_at):
        return "it has expired, or is not valid yet"
    if max(word.expires_at - word.approved_at, asked.expires_at - asked.asked_at) > LONGEST:
        return f"it is valid for longer than {LONGEST}"
    return None


def mismatch(asked: ApprovalRequest, action: Proposal | Action) -> str | None:
    """Why what is to be done now is not what was asked; None = it is exactly that."""
    if action.policy != asked.policy:
        return "it was given for another action: the policy is another one now"
    if action.digest() == asked.action and action.canonical().decode() == asked.content:
        return None
    names = ", ".join(_differing(asked.content, action.model_dump(mode="json")))
    return f"it was given for another action: another {names or 'digest'}"


def _differing(content: str, now: Mapping[str, object]) -> list[str]:
    """Names of the fields in which an action differs from the one that was asked."""
    try:
        asked = json.loads(content)
    except ValueError:
        return ["form"]
    if not isinstance(asked, dict):
        return ["form"]
    missing = object()
    return [
        name
        for name in dict.fromkeys((*asked, *now))
        if asked.get(name, missing) != now.get(name, missing)
    ]
