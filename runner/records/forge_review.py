"""What a forge says that somebody said: of a pull request, or of a workflow that waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from runner.records.base import Oid


@dataclass(frozen=True, slots=True)
class ForgeReview:
    """A review of a pull request, or the approval of an environment."""

    login: str
    """Empty = the forge does not say: a deleted account."""
    is_person: bool
    """No app and no bot."""
    belongs: bool
    """To the repository: owner, member or collaborator."""
    state: Literal["approved", "rejected", "other"]
    commit: Oid
    """That was looked at."""
    head: Oid
    """Of the pull request, or of the workflow's run, now."""
    authors: tuple[str, ...]
    """Who opened the request or started the workflow: may not approve it."""
    text: str
    at: datetime
