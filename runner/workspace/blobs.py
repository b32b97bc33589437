"""Blobs of a patch: several gates ask for each, one git process answers for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from runner.records.base import Oid
from runner.records.patch import Change
from runner.workspace.git import Git
from runner.workspace.trees import read_objects, read_sizes

ONE_BYTES = 1024 * 1024
ALL_BYTES = 32 * 1024 * 1024
GITLINK = "160000"


@dataclass(slots=True)
class Blobs:
    """Contents by id; small ones of what is expected are kept, the rest is read when asked for."""

    _expected: set[Oid] = field(default_factory=set)
    _known: dict[Oid, bytes] = field(default_factory=dict)

    def expect(self, changes: Sequence[Change]) -> None:
        """Both sides of these are going to be asked for, instead of any before."""
        self._known.clear()
        sides = [(c.old_oid, c.old_mode) for c in changes] + [
            (c.new_oid, c.new_mode) for c in changes
        ]
        self._expected = {oid for oid, mode in sides if oid is not None and mode != GITLINK}

    def read(self, git: Git, oid: Oid) -> bytes:
        if oid in self._expected:
            self._fill(git)
        found = self._known.get(oid)
        return git.run("cat-file", "blob", oid) if found is None else found

    def _fill(self, git: Git) -> None:
        left = ALL_BYTES
        chosen: set[Oid] = set()
        for oid, size in sorted(read_sizes(git, self._expected).items(), key=lambda each: each[1]):
            left -= size
            if size > ONE_BYTES or left < 0:
                break
            chosen.add(oid)
        self._expected = set()
        self._known = read_objects(git, chosen)
