"""What the ledger keeps: signed statements, who signs them and what they speak of.

A statement is an in-toto Statement v1: subjects by digest, a predicate of one of `PREDICATES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NewType

from runner.records.base import RunId

ReceiptId = NewType("ReceiptId", str)
"""`rc_` and the first 32 hex digits of the SHA-256 of the envelope's bytes."""
AgentId = NewType("AgentId", str)
"""`ag_` and 16 hex digits, `records.identity`; empty = no agent."""

Role = Literal["gate", "verifier", "approver"]
"""Of a key: decides and tells runs; tells outcomes; a person's or an administrator's."""
Kind = Literal[
    "decision",
    "intent",
    "outcome",
    "run",
    "tests",
    "verdict",
    "approval",
    "score",
    "merged",
    "promotion",
    "kill",
    "lift",
    "key",
]
"""`decision` = ALLOW, DENY or PENDING; `intent` before and `outcome` after something is done;
`merged` = what became of a request on the forge."""

_OWN = "https://codex-runner.dev/attestation"
PREDICATES: Mapping[Kind, str] = MappingProxyType(
    {
        "decision": f"{_OWN}/gate-decision/v1",
        "intent": f"{_OWN}/intent/v1",
        "outcome": f"{_OWN}/outcome/v1",
        "run": "https://slsa.dev/provenance/v1",
        "tests": "https://in-toto.io/attestation/test-result/v0.1",
        "verdict": "https://slsa.dev/verification_summary/v1",
        "approval": f"{_OWN}/approval/v1",
        "score": f"{_OWN}/score/v1",
        "merged": f"{_OWN}/request-outcome/v1",
        "promotion": f"{_OWN}/promotion/v1",
        "kill": f"{_OWN}/kill/v1",
        "lift": f"{_OWN}/lift/v1",
        "key": f"{_OWN}/key/v1",
    }
)
SIGNERS: Mapping[Kind, Role] = MappingProxyType(
    {
        **dict.fromkeys(PREDICATES, "gate"),
        "merged": "verifier",
        "approval": "approver",
        "promotion": "approver",
        "lift": "approver",
        "key": "approver",
    }
)
"""Whose word a statement of this kind has to be; another key's does not count."""

Json = Mapping[str, object]
_NO_RUN = RunId("")


@dataclass(frozen=True, slots=True)
class About:
    """What an entry can be found by."""

    run: RunId = _NO_RUN
    agent: AgentId = AgentId("")
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """To be signed and appended."""

    kind: Kind
    subject: Mapping[str, Mapping[str, str]]
    """Name -> digests: `{"action": {"sha256": "..."}}`; never empty."""
    predicate: Json
    """JSON values; no floats."""
    about: About = About()


@dataclass(frozen=True, slots=True)
class Entry:
    """One that is kept."""

    seq: int
    """From 0, without gaps."""
    id: ReceiptId
    kind: Kind
    about: About
    at: datetime
    """Aware, UTC: when it was appended."""
    envelope: bytes
    """The DSSE envelope, exactly as signed."""
