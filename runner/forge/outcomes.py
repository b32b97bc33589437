"""What became of a request: the words a forge is asked and answers with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from runner.records.base import Oid
from runner.records.trust import OutcomeKind

_REVERTS = re.compile(r"\bThis reverts commit ([0-9a-f]{7,64})\b", re.IGNORECASE)
"""As `git revert` and GitHub write it."""


@dataclass(frozen=True, slots=True)
class Requested:
    """What a run published."""

    branch: str
    target: str
    base: Oid
    commit: Oid
    number: int | None
    patch: bytes
    """The whole change, as `git diff` writes it."""
    at: datetime
    """When it was published; nothing became of it before."""


@dataclass(frozen=True, slots=True)
class Became:
    """One thing that became of it."""

    kind: OutcomeKind
    at: datetime
    """Aware, UTC."""
    by: str = ""
    independent: bool = False
    """By somebody who did not open it."""
    landed: str = ""
    """The commit that merged it, or took it back."""


class Fates(Protocol):
    """A forge that can be asked."""

    def of(self, request: Requested) -> tuple[Became, ...]:
        """Everything so far, in any order; nothing = it is open.

        Raises:
            ConfigError: the forge cannot be asked like this.
            InfraError: it refused, failed or could not be reached.
        """


def reverts(message: str, commits: Iterable[str]) -> bool:
    """Whether a commit's message says that it takes one of these back."""
    gone = [match.lower() for match in _REVERTS.findall(message)]
    return any(commit and commit.startswith(short) for commit in commits for short in gone)
