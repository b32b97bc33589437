"""The kill switch's words: what is stopped, why, and who said so."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NewType

from runner.records.base import Record

KillId = NewType("KillId", str)
"""16 hex digits of chance."""
Scope = Literal["all", "run", "agent", "repo", "key", "policy"]


class Kill(Record):
    """`Kill(scope="run", subject="20261120-...", reason="loops", ...)`; in force until lifted."""

    id: KillId
    scope: Scope
    subject: str = ""
    """A run's id, an agent's, a repository's path or remote, a key's id, a policy's digest; empty
    only for `all`."""
    reason: str
    by: str
    """As the system knows them: `user:ada`, `file`."""
    at: datetime
    """Aware, UTC."""


class Target(Record):
    """What a run, or a request to the gate, is: a kill that fits any of it stops it."""

    run: str = ""
    agent: str = ""
    repos: tuple[str, ...] = ()
    """Its path and its remote."""
    key: str = ""
    policy: str = ""

    def hit_by(self, kill: Kill) -> bool:
        """Whether this kill means it."""
        match kill.scope:
            case "all":
                return True
            case "repo":
                return kill.subject in self.repos
            case scope:
                return bool(kill.subject) and getattr(self, scope) == kill.subject
