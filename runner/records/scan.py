"""What the secret scanner is given and what it answers. No pydantic: its process imports this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Tier = Literal["certain", "generic", "weak", "marker", "opaque"]


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes that would leave the machine, and what was there before under the same name."""

    data: bytes
    base: bytes = b""


@dataclass(frozen=True, slots=True)
class Hit:
    """One secret-looking region that the base does not have. Never the region itself."""

    rule: str
    """E.g. `github-pat`, `generic.password`."""
    tier: Tier
    line: int
    """Of the sample, from 1."""
    length: int
    """Bytes."""
    digest: str
    """First 12 hex digits of HMAC-SHA256(installation key, rule NUL region)."""


@dataclass(frozen=True, slots=True)
class Scanned:
    """The answer to one sample."""

    hits: tuple[Hit, ...]
    unfolded: tuple[bytes, ...] = ()
    """What was found folded inside: decompressed members, decoded runs."""
