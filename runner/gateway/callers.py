"""Who is at the other end of a connection: found out by the server, never said by the client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from runner.records.base import RunId
from runner.records.evidence import AgentId

AccessRole = Literal["agent", "approver", "admin"]
"""May propose; may also resolve requests to people; may also stop everything and read all."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The process that connected to a UNIX socket, as the kernel knows it (SO_PEERCRED)."""

    pid: int
    uid: int


@dataclass(frozen=True, slots=True)
class Caller:
    """`Caller(AgentId("ag_0123456789abcdef"))`, or a person: `Caller(role="admin", name="ada")`."""

    agent: AgentId | None = None
    tenant: str = ""
    run: RunId | None = None
    """Of a session's own socket."""
    role: AccessRole = "agent"
    name: str = ""
    """A person's."""

    @property
    def resolves(self) -> bool:
        return self.role in {"approver", "admin"}

    @property
    def sees_all(self) -> bool:
        return self.role == "admin"


Callers = Callable[[Peer | None, str | None], Caller | None]
"""Peer of a UNIX socket and the value of `Authorization` -> who that is; None = a stranger."""


def always(caller: Caller) -> Callers:
    """On a socket that belongs to one session: whoever can connect is its agent."""
    return lambda _peer, _authorization: caller


@dataclass(frozen=True, slots=True)
class Known:
    """`Callers` of a gateway for many: by user id, or by a bearer token, which goes first.

    A wrong token makes a stranger of a user that is known.
    """

    uids: Mapping[int, Caller]
    token: Callable[[str], Caller | None]
    """Who has this token."""

    def __call__(self, peer: Peer | None, authorization: str | None) -> Caller | None:
        if authorization is not None:
            scheme, _, token = authorization.partition(" ")
            return self.token(token.strip()) if scheme.lower() == "bearer" else None
        return self.uids.get(peer.uid) if peer is not None else None
