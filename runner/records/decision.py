"""What a client of the execution gate asks, and what it is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from runner.records.base import Record, RunId, Sha256
from runner.records.evidence import AgentId, ReceiptId

Word = Literal["ALLOW", "DENY", "PENDING"]
MOST_TOOLS = 64
NAME = 200
"""Characters of an id."""
CODE = 512 * 1024
"""Characters of what is to be executed."""
NO_NUL = r"^[^\u0000]*$"
"""What follows a NUL, other programs do not see."""
Name = Annotated[str, Field(max_length=NAME, pattern=NO_NUL)]


class Request(Record):
    """The body of `POST /api/execute`."""

    agent_id: Name
    tenant_id: Name = ""
    opportunity_id: Name
    """The piece of work it belongs to: a run, a change."""
    proposed_plan: str = Field(default="", max_length=65536, pattern=NO_NUL)
    """What the agent says it is for; shown, never believed."""
    tools: list[Name] = Field(max_length=MOST_TOOLS)
    """`Bash`, `apply_patch`, `mcp__server__tool`."""
    code: str = Field(max_length=CODE, pattern=NO_NUL)
    """The command, the patch, or the arguments in JSON."""
    idempotency_key: str = Field(min_length=1, max_length=NAME, pattern=NO_NUL)


class Proposal(Record):
    """A request of a client that is known: what is decided. Its digest is the action's."""

    agent: AgentId
    tenant: str
    run: RunId
    """The run, or the `opportunity_id` of a client outside of one."""
    tools: tuple[str, ...]
    code: str
    policy: Sha256
    """Digest of the policy it is judged under."""


class Constraints(Record):
    """Under which an ALLOW holds; the walls enforce them, not the words."""

    level: int
    sandbox: Literal["read-only", "workspace-write", "none"]
    network: Literal["none"] = "none"
    expires_s: int = 300


class Verdict(Record):
    """What a judge says of a proposal."""

    word: Word
    reason: str = ""
    """In one line; never empty for a DENY or a PENDING."""
    rule: str = ""
    """Code of what decided: `kill`, `level`, `rule`, `paths`, `tools`, `approval`, ..."""
    where: str = ""
    """The line of the policy: `config.toml, line 4`."""
    constraints: Constraints | None = None
    """Of an ALLOW; of a PENDING, under which a person's yes will hold."""


class Answer(Record):
    """The body of the answer."""

    decision: Word
    receipt_id: ReceiptId | None
    """None = the ledger could not be written; then it is a DENY."""
    reason: str = ""
    constraints: Constraints | None = None
    approval_id: str | None = None
    """Of a PENDING."""
    replayed: bool = False
    """Decided before, for the same key and body."""
