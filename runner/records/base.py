"""What all records share: frozen, strict, closed, and digested from one canonical form."""

from __future__ import annotations

import hashlib
import json
from typing import NewType

from pydantic import BaseModel, ConfigDict

RunId = NewType("RunId", str)
"""Sortable and unique, e.g. `20261120-102233-7f3a9c`."""

Oid = NewType("Oid", str)
"""A full git object id, 40 or 64 lower-case hex digits."""

Sha256 = NewType("Sha256", str)
"""64 lower-case hex digits."""

FROZEN = ConfigDict(
    frozen=True, extra="forbid", strict=True, protected_namespaces=(), defer_build=True
)

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Record(BaseModel):
    """A noun: immutable, no I/O. Contains no floats and no sets where it is digested."""

    model_config = FROZEN

    def canonical(self) -> bytes:
        """The one byte form that is digested: JSON, sorted keys, no spaces, UTF-8; what UTF-8 does
        not have is escaped, so that no two records share it."""
        return _ENCODER.encode(self.model_dump(mode="json")).encode(errors="backslashreplace")

    def digest(self) -> Sha256:
        """SHA-256 of `canonical()`."""
        return Sha256(hashlib.sha256(self.canonical()).hexdigest())
