"""Where a run starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.records.base import Oid


@dataclass(frozen=True, slots=True)
class Base:
    """A repository at one commit."""

    repository: Path
    commit: Oid
    tree: Oid
    branch: str | None
    """The branch checked out in the repository, None when detached."""
    remote: str | None
    """URL of `origin` (or the only remote), credentials removed."""
    remote_branch: str | None
    """The remote's default branch as far as the repository knows."""
