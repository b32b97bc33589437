"""A person's word for one action: bound to exactly that, used once, for a short time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, NewType

from runner.records.base import Oid, Record, RunId, Sha256

ApprovalId = NewType("ApprovalId", str)
"""32 hex digits of chance."""
LONGEST = timedelta(hours=24)
PREFIX = 12
"""Digits of the digest that a person types at least."""


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


class Approval(Record):
    """One person's yes to one action."""

    id: ApprovalId
    action: Sha256
    """Digest of the action."""
    approver: str
    """As the channel knows them, e.g. `user:ada`; never a name that somebody typed."""
    approved_at: datetime
    """Aware, UTC."""
    expires_at: datetime


def objection(
    approval: Approval, action: Action, now: datetime, used: Collection[ApprovalId]
) -> str | None:
    """Why it does not allow this action now; None = it does."""
    if approval.action != action.digest():
        return "it was given for another action"
    if approval.id in used:
        return "it was used already"
    if approval.approver == action.asker or not approval.approver.startswith("user:"):
        return f"{approval.approver} may not approve what {action.asker} asks for"
    if not approval.approved_at <= now < approval.expires_at:
        return "it has expired, or is not valid yet"
    if approval.expires_at - approval.approved_at > LONGEST:
        return f"it is valid for longer than {LONGEST}"
    return None
