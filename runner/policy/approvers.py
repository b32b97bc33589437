"""People whose word counts, as `[approvals] approvers` names them."""

from __future__ import annotations

import re

from runner.policy.names import MisfitError

_PERSON = re.compile(r"(user|github|token):[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


def person(value: str) -> str:
    """As a channel knows them: `user:ada` at a terminal, `github:ada`, `token:ada` at the gateway.

    Raises:
        MisfitError: it names nobody.
    """
    if not _PERSON.fullmatch(value):
        raise MisfitError("names no person", "write user:NAME, github:NAME or token:NAME")
    return value
