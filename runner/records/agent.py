"""What codex told. Never evidence: the broker, the tree and the tests are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.records.base import Record, Sha256
from runner.records.gated import Gated
from runner.records.sandbox import Exit
from runner.records.usage import Usage

EventKind = Literal[
    "thread",
    "turn",
    "message",
    "reasoning",
    "command",
    "file_change",
    "tool",
    "search",
    "plan",
    "error",
    "failed",
    "unknown",
    "malformed",
]


class AgentEvent(Record):
    """One line of `codex exec --json`, reduced to what a person follows."""

    kind: EventKind
    phase: Literal["started", "updated", "completed"]
    item: str = ""
    """Codex's name for what has started, changed and completed; capped at 64 bytes."""
    text: str = ""
    """Command, message, error or changed paths; capped at 4 KiB, control characters escaped."""
    exit_code: int | None = None
    code_sha256: Sha256 | None = None
    """Of what a command's shell was given, whole."""


class AgentResult(Record):
    """One session of `codex exec`."""

    ok: bool
    """rc 0, exactly one completed turn, no failed turn, and the broker served >= 1 request."""
    reason: str = ""
    """Why not ok, in one line."""
    fault: str | None = None
    """The broker's word that the model could not be used; None = that was not the reason."""
    message: str = ""
    """The last message, as the broker saw it leave upstream; capped at 64 KiB."""
    turns: int = 0
    commands: int = 0
    codes: tuple[Sha256, ...] = Field(default=(), exclude=True)
    """Of the commands that started or ended, one each: for the account, which is kept instead."""
    malformed_lines: int = 0
    inner_sandbox: bool = True
    """Codex's own sandbox stood between its commands and codex, broker and CODEX_HOME."""
    usage: Usage
    exit: Exit
    gated: Gated | None = None
    """What the execution gate decided; None = none stood before its tools."""
