"""Who an agent is: it keeps its name as long as nothing changes that its past vouches for."""

from __future__ import annotations

import hashlib
import json

from runner.records.base import Record, Sha256
from runner.records.evidence import AgentId

DIGITS = 16


class Agent(Record):
    """`Agent(name="codex", model="gpt-5.5", codex_version="0.163.0", policy_sha256=..., ...)`."""

    name: str = "codex"
    model: str
    codex_version: str
    policy_sha256: Sha256
    tenant: str = ""

    @property
    def id(self) -> AgentId:
        """Of name and tenant: a new model or policy is the same agent, which has to prove itself
        again (`generation`)."""
        return AgentId(f"ag_{_short([self.name, self.tenant])}")

    @property
    def generation(self) -> str:
        """Of everything: outcomes count for the level of their own generation."""
        return _short(self.model_dump(mode="json"))

    def told(self) -> dict[str, object]:
        """JSON, with the names that others know it by."""
        return {**self.model_dump(mode="json"), "id": self.id, "generation": self.generation}


def _short(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
