"""Where a request stands, and whether it may be used: decided anew from what is kept, each time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from runner.approvals.store import Row
from runner.records.approval import (
    LOW_RISK,
    Action,
    Advice,
    Approval,
    ApprovalRequest,
    ApprovalRules,
    Risk,
    barred,
    mismatch,
    objection,
)
from runner.records.base import RunId, Sha256
from runner.records.decision import Proposal
from runner.text import line

MODEL = 100
"""Characters of a model's name that are shown."""
State = Literal["waiting", "approved", "denied", "expired", "used", "unknown"]
WHY: Mapping[State, str] = {
    "waiting": "nobody has approved it",
    "denied": "it was denied, for good",
    "expired": "it has expired, or its run has ended",
    "used": "it was used already",
    "unknown": "nobody asked for it",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that speaks for or against a request, besides its row."""

    unseal: Callable[[bytes], Mapping[str, object]]
    """The predicate of an approval signed with an approver's key that is valid now; raises
    ValueError: it is none."""
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    """Of today."""
    stopped: Callable[[Proposal | Action], str | None] = lambda _: None
    """Why the kill switch stops it."""
    alive: Callable[[RunId], bool] = lambda _: True
    """Whether the run that asks for a command still goes on."""
    risk: Callable[[tuple[str, ...], str], Risk] = lambda _tools, _code: "other"
    heard: set[tuple[str, Sha256]] | None = None
    """Requests and digests of what this process had a reviewer say of them: only that counts, for
    nobody signs it. None = what is kept."""

    def state(self, row: Row, now: datetime) -> State:
        """A no, or a word that cannot be read, is stronger than any yes."""
        asked, words = row.request, self.words(row)
        if row.used:
            return "used"
        if any(word is None or not _allows(asked, word) for word in words):
            return "denied"
        if not asked.asked_at <= now < asked.expires_at:
            return "expired"
        if asked.kind == "command" and not self.alive(asked.run):
            return "expired"
        if self.yes(row, now) is not None or self.by_policy(row):
            return "approved"
        return "expired" if words else "waiting"

    def refusal(self, row: Row, action: Proposal | Action, now: datetime) -> str | None:
        """Why it may not be used for this action now; None = it may."""
        if why := mismatch(row.request, action) or self.stopped(action):
            return why
        if (state := self.state(row, now)) != "approved":
            return WHY[state]
        if self.by_policy(row):
            return None
        word = self.yes(row, now)
        today = row.request.model_copy(update={"approvers": self.rules.approvers})
        return WHY["waiting"] if word is None else barred(today, word.approver)

    def yes(self, row: Row, now: datetime) -> Approval | None:
        """The word that allows it now."""
        for word in self.words(row):
            if word is not None and objection(row.request, word, now) is None:
                return word
        return None

    def words(self, row: Row) -> tuple[Approval | None, ...]:
        """None = it is not signed by an approver, or says nothing that can be understood."""
        return tuple(map(self._read, row.envelopes))

    def by_policy(self, row: Row) -> bool:
        """A reviewer advises it and today's policy lists its class, as the command is read now."""
        if row.advice is None or not row.advice.approve or row.request.kind != "command":
            return False
        if self.heard is not None and (row.request.id, row.advice.digest()) not in self.heard:
            return False
        proposal = Proposal.model_validate_json(row.request.content)
        risk = self.risk(proposal.tools, proposal.code)
        return risk in LOW_RISK and risk in self.rules.auto

    def hear(self, request: str, advice: Advice) -> None:
        if self.heard is not None:
            self.heard.add((request, advice.digest()))

    def auto(self, row: Row) -> str:
        """Which model spoke in a person's place, on what class; empty = none did."""
        advice = row.advice
        if advice is None or not advice.approve or row.envelopes:
            return ""
        counts = row.used or self.by_policy(row)  # nothing else lets it be used without a word
        return f"{line(advice.model, MODEL)}, class {row.request.risk}" if counts else ""

    def _read(self, envelope: bytes) -> Approval | None:
        try:
            return Approval.model_validate_json(json.dumps(self.unseal(envelope)))
        except (ValueError, TypeError):
            return None


def _allows(asked: ApprovalRequest, word: Approval) -> bool:
    """Leaving time aside."""
    return objection(asked, word, word.approved_at) is None
