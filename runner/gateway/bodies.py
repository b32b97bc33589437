"""What clients send besides a request to execute."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runner.records.approval import PREFIX
from runner.records.base import Record, Sha256
from runner.records.decision import NO_NUL
from runner.records.evidence import AgentId, ReceiptId
from runner.records.kill import Scope

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]
Digest = Annotated[Sha256, Field(pattern=r"^[0-9a-f]{64}$")]


class Outcome(Record):
    """The body of `POST /api/outcome`: what became of an action that was allowed."""

    receipt_id: ReceiptId = Field(pattern=r"^rc_[0-9a-f]{32}$")
    status: Literal["succeeded", "failed", "unknown"]
    exit_code: int | None = Field(default=None, ge=-255, le=255)
    """As `subprocess` tells it: -N = signal N."""
    output_sha256: Digest | None = None
    """Of what it printed."""


class Emit(Record):
    """The body of `POST /api/scalar/emit`."""

    agent_id: AgentId = Field(pattern=r"^ag_[0-9a-f]{16}$")


class Stop(Record):
    """The body of `POST /api/kill`."""

    scope: Scope
    subject: str = Field(default="", max_length=4096, pattern=NO_NUL)
    """Empty only for `all`."""
    reason: Reason


class Word(Record):
    """The body of `POST /api/approvals/{id}/approve` and `.../deny`."""

    action_sha256: Digest
    """Of the action that the person looked at."""
    reason: str = Field(default="", max_length=500, pattern=NO_NUL)


class Form(Record):
    """What the page for people sends, as a form."""

    word: Literal["yes", "no"]
    digits: str = Field(pattern=rf"^[0-9a-fA-F]{{{PREFIX},64}}$")
    """Which the person typed: how the digest of the action begins."""
    reason: str = Field(default="", max_length=500, pattern=NO_NUL)
    nonce: str = Field(pattern=r"^[0-9]{1,20}\.[0-9a-f]{32}\.[0-9a-f]{64}$")
