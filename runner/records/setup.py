"""What is installed before the agent starts, and how that went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner.records.base import Record, Sha256
from runner.records.sandbox import Exit, Overlay

EGRESS = "/run/egress"
"""Where the setup's sandbox sees the directory with the proxy's socket."""


class Setup(Record):
    """Decided before anything starts; hosts in the form of `records.hosts`."""

    commands: tuple[str, ...]
    """Shell commands of the repository's policy, one after the other in one sandbox."""
    lockfiles: tuple[str, ...] = ()
    """Globs of the only files of the base they see; empty = all of them."""
    hosts: tuple[str, ...] = ()
    """What they may reach: asked for by the repository and allowed by the operator."""
    asked: tuple[str, ...] = ()
    """Hosts of the repository's policy."""
    allowed: tuple[str, ...] = ()
    """Hosts of the operator's settings."""
    allow_private: tuple[str, ...] = ()
    """Names that may lead to private addresses, and networks every allowed name may lead to."""
    secrets: tuple[str, ...] = ()
    """Names of the environment variables that hold credentials there."""


class Denied(Record):
    """A way out that was refused."""

    host: str
    """As it was asked for; `-` = the request was malformed."""
    why: str
    remedy: str = ""
    """The line of a policy that would allow it; empty = none does."""
    times: int = 1


class Traffic(Record):
    """What went through the proxy."""

    reached: tuple[str, ...] = ()
    denied: tuple[Denied, ...] = ()
    sent_bytes: int = 0
    received_bytes: int = 0


class SetupResult(Record):
    """What lies under the agent's and the tests' workspace."""

    key: str = ""
    """SHA-256 over commands, visible files, hosts, engine and python: the layer's name; empty =
    none was made."""
    cached: bool = False
    """The commands did not run again: an earlier run's layer is used."""
    files: int = 0
    """In the layer."""
    size_bytes: int = 0
    dropped: tuple[str, ...] = ()
    """Tracked files the commands changed or removed: the base's are used. The first hundred."""
    exit: Exit | None = None
    """None = cached."""
    tail: str = ""
    """The last 4 KiB of output, control characters escaped, credentials taken out."""
    traffic: Traffic = Traffic()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A layer of installed files, to be found in the cache or made."""

    about: Sha256
    """Digest of all that decides its content, besides the files shown and the sandbox's user."""
    shows: Callable[[bytes], bool] | None
    """Which files of the base its commands see; None = all."""
    make: Callable[[Overlay], None]
    """Writes it into a workspace; raises when that failed."""
    wait: Callable[[], None]
    """Called ten times a second while another run makes the same; raises to give up."""
    most_bytes: int
    held: tuple[bytes, ...] = ()
    """Credentials that must not be in it."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Read-only files to lie over the base; none of them is at a path the base has."""

    path: Path
    key: Sha256
    cached: bool
    files: int
    size_bytes: int
    dropped: tuple[str, ...]
    """Tracked paths that were changed or removed: not in the layer. The first hundred."""
