"""The kill switch's words: what is stopped, why, and who said so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal, NewType, cast

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

    @property
    def means(self) -> tuple[Scope, str]:
        """One of `Target.names` of all that it stops."""
        return self.scope, "" if self.scope == "all" else self.subject


class Target(Record):
    """What a run, or a request to the gate, is: a kill that fits any of it stops it."""

    run: str = ""
    agent: str = ""
    repos: tuple[str, ...] = ()
    """Its path and its remote."""
    key: str = ""
    policy: str = ""

    def names(self) -> Iterator[tuple[Scope, str]]:
        """By which a kill can mean it."""
        yield "all", ""
        given = {"run": self.run, "agent": self.agent, "key": self.key, "policy": self.policy}
        for scope, subject in given.items():
            if subject:
                yield cast(Scope, scope), subject
        for repo in self.repos:
            yield "repo", repo

    def hit_by(self, kill: Kill) -> bool:
        """Whether this kill means it."""
        return kill.means in self.names()
