"""Names of those on whose behalf agents work."""

from __future__ import annotations

import re

from runner.policy.names import MisfitError

_TENANT = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def tenant(value: str) -> str:
    """As it is. Raises MisfitError."""
    if not _TENANT.fullmatch(value):
        raise MisfitError("is not a tenant's name", "use at most 64 of a-z, 0-9 and . _ -")
    return value
