"""What the gate of one session decided, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.records.base import Record, Sha256
from runner.records.decision import Word
from runner.records.evidence import ReceiptId

MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Decided:
    """One answer to codex's hook."""

    id: str
    """Codex's name of the call: the model's, or one of its own for a call out of code mode."""
    tool: str
    code_sha256: Sha256
    word: Word
    receipt: ReceiptId | None
    reason: str = ""
    """Why not; one line."""


class Gated(Record):
    """Of one session of codex; an answer that was read, and what it is good for."""

    allowed: int = 0
    denied: int = 0
    """Refused, or still waiting for a person when its time was over."""
    why: tuple[str, ...] = ()
    """Why it refused; each reason once, the first `MOST_REASONS`."""
    unreceipted: tuple[str, ...] = ()
    """What ran although the gate had not allowed it, one line each."""
    open: int = 0
    """Allowed, and nobody knows what became of it."""
    auto: tuple[str, ...] = ()
    """What a reviewing model approved in a person's place: which model, what class, the receipt."""
