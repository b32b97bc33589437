"""Decides when a bubblewrap sandbox has to end, and remembers why."""

from __future__ import annotations

import time

from runner.ports import Watch
from runner.records.sandbox import SandboxSpec, StopReason
from runner.sandbox.bubblewrap_spec import SHM
from runner.sandbox.bubblewrap_tree import Tree
from runner.sandbox.heard import ABRUPT, Heard
from runner.sandbox.memory import Memory


class Stop:
    """Asked by `process.stream`; True starts interrupt, terminate, kill."""

    def __init__(self, spec: SandboxSpec, watch: Watch, heard: Heard, tree: Tree) -> None:
        self._watch, self._heard, self._tree = watch, heard, tree
        self._deadline = time.monotonic() + spec.walls.wall_s
        self._memory = Memory(spec.walls.memory_mib, (SHM, *spec.scratch))
        self.reason: StopReason | None = None
        self.out_of_memory = False

    def __call__(self) -> bool:
        """Out of memory it is not stopped, but killed as the kernel would have done."""
        if self._runs_out_of_memory():
            self.out_of_memory = True
            self._tree.end()
        overdue = time.monotonic() > self._deadline
        output = self._heard.overflown()
        self.reason = "wall-clock" if overdue else "output" if output else self._watch.stop()
        if self.reason in ABRUPT:
            self._tree.end()
        return self.reason is not None

    def _runs_out_of_memory(self) -> bool:
        first = self._tree.first
        if self.out_of_memory or first is None or "memory" in self._tree.group.directories:
            return False
        return self._memory.over(first)
