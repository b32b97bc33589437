"""Rules on commands: what is refused, what waits for a person, and what a rule said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from runner.records.base import Record

Decision = Literal["allow", "prompt", "forbidden"]
STRICTNESS: Mapping[Decision, int] = MappingProxyType({"allow": 0, "prompt": 1, "forbidden": 2})
"""The strictest of all that match wins."""


class CommandRule(Record):
    """A command that begins so: `CommandRule(pattern=(("git",), ("push",)), decision="prompt")`."""

    pattern: tuple[tuple[str, ...], ...]
    """Per word of the command, the words that fit there; more words may follow."""
    decision: Decision
    justification: str = ""
    """What the agent and a person are told; empty = nothing."""
    where: str = Field(default="", exclude=True)
    """The line that asks for it: `config.toml, line 4`; no part of what is digested."""

    @property
    def shown(self) -> str:
        """`git push|fetch`."""
        return " ".join("|".join(words) for words in self.pattern)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say of one command."""

    decision: Decision
    rule: CommandRule | None = None
    """The strictest that matches; None = none does."""
    command: tuple[str, ...] = ()
    """The simple command that decided, as it was read."""
    unread: str = ""
    """Why it, or a part of it, cannot be judged before it runs; never `allow` then."""
