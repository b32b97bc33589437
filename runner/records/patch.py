"""What the agent did, measured by the host from the dead sandbox's files."""

from __future__ import annotations

from typing import Literal

from runner.records.base import Oid, Record, Sha256

Status = Literal["added", "modified", "deleted", "type-changed"]


class Change(Record):
    """One path. A rename is a deletion and an addition: limits see both."""

    path: str
    """In the text form of `records.paths`."""
    status: Status
    old_mode: str
    """Octal as git writes it, `000000` when absent."""
    new_mode: str
    old_oid: Oid | None
    new_oid: Oid | None
    added: int
    """Added lines; 0 for binary files."""
    deleted: int
    binary: bool
    size_bytes: int
    """Of the new blob; 0 when deleted."""


class Patch(Record):
    """One tree id. Size, paths, secrets, tests, review, commit and push all speak of it."""

    base_commit: Oid
    base_tree: Oid
    tree: Oid
    commit: Oid
    changes: tuple[Change, ...]
    """Sorted by path bytes."""
    ignored: int = 0
    """Files the agent wrote that .gitignore keeps out of the tree."""
    diff_bytes: int = 0
    diff_sha256: Sha256 = Sha256("")
    """Of the bytes kept as `patch` in the run's folder."""

    @property
    def empty(self) -> bool:
        return self.tree == self.base_tree
