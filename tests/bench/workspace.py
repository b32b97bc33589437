"""A workspace and the ingest of a 3-file change, against `git worktree add` and `git add -A`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from runner.ports import Engine
from runner.records.patch import Patch
from runner.workspace.source import open_source
from tests.bench.big_repository import change, git, make_repository, path_of
from tests.bench.engines import bubblewrap
from tests.bench.rounds import Setting, interleave, seconds
from tests.bench.row import Row, UnmeasuredError

SIZES = (100, 10_000, 100_000)
QUICK_SIZES = (100, 1000, 10_000)
REPEATS = 5
GROWTH_AT_MOST = 2
WORKTREE_AT_MOST = 0.01
GIT_ROUNDS = 3
"""A work tree of 100,000 files takes git the better part of a minute."""
NEXT_CHANGED = 30
NEXT_AT_MOST = 0.1
NEXT_ROUNDS = 5
"""Fewer than the layers a snapshot may have: the last one pays for a whole checkout."""


def measure(setting: Setting) -> Iterator[Row]:
    engine, _ = bubblewrap()
    sizes = QUICK_SIZES if setting.quick else SIZES
    places = [Place(setting.scratch / str(files), files, engine) for files in sizes]
    for place in places:
        place.make()
    first = {place.files: place.first_snapshot() for place in places}
    yield from _growth(places, setting.rounds)
    for place in places:
        yield from _against_git(place, min(setting.rounds, GIT_ROUNDS))
    yield from _next_snapshots(places, first, min(setting.rounds, NEXT_ROUNDS))


def _growth(places: list[Place], rounds: int) -> Iterator[Row]:
    taken = interleave({str(place.files): place.ours for place in places}, rounds)
    smallest, largest = places[0].files, places[-1].files
    yield Row(
        f"workspace + ingest of 3 files, {largest} / {smallest} files",
        "ms",
        taken[str(largest)],
        taken[str(smallest)],
        "ratio",
        at_most=GROWTH_AT_MOST,
    )


def _against_git(place: Place, rounds: int) -> Iterator[Row]:
    taken = interleave({"ours": place.ours, "git": place.by_git}, rounds)
    what = f"workspace + ingest, {place.files} files / git worktree add"
    yield Row(f"{what} + add -A + write-tree", "ms", taken["ours"], taken["git"], "ratio")
    at_most = WORKTREE_AT_MOST if place.files == SIZES[-1] else None
    adds = tuple(place.worktree_add_ms[-rounds:])
    yield Row(what, "ms", taken["ours"], adds, "ratio", at_most=at_most)


def _next_snapshots(places: list[Place], first: dict[int, float], rounds: int) -> Iterator[Row]:
    taken = interleave({str(place.files): place.next_snapshot for place in places}, rounds)
    small, large = places[0].files, places[-1].files
    ours = taken[str(large)]
    what = f"next commit's snapshot, {NEXT_CHANGED} of {large} files changed"
    at_most = NEXT_AT_MOST if large == SIZES[-1] else None
    yield Row(f"{what} / first", "ms", ours, (first[large],) * rounds, "ratio", at_most=at_most)
    yield Row(f"{what} / of {small} files", "ms", ours, taken[str(small)], "ratio")


@dataclass(slots=True)
class Place:
    """One repository of a given size, and the product's state for it. All times in ms."""

    home: Path
    files: int
    engine: Engine
    worktree_add_ms: list[float] = field(default_factory=list)
    _tree: str = ""
    _serial: int = 0

    @property
    def repository(self) -> Path:
        return self.home / "repository.git"

    def make(self) -> None:
        self.home.mkdir()
        make_repository(self.repository, self.files)

    def first_snapshot(self) -> float:
        """The one time that the whole tree is written."""
        return 1000 * seconds(self._visit)

    def ours(self) -> float:
        """The median of some, each as a run does it: in a repository just opened."""
        return 1000 * median(self._workspace() for _ in range(REPEATS))

    def by_git(self) -> float:
        """The same work with git's own means; leaves how long `worktree add` took of it.

        Work trees stay until the end: ext4 is slow to make files where many were just removed.
        """
        work = self.home / f"worktree-{len(self.worktree_add_ms)}"
        add_s = seconds(lambda: git(self.repository, "worktree", "add", "--detach", str(work)))
        self._write(work)
        rest_s = seconds(lambda: git(work, "add", "-A"))
        tree: list[str] = []
        rest_s += seconds(lambda: tree.append(git(work, "write-tree").strip()))
        if tree != [self._tree]:
            raise UnmeasuredError(f"git made tree {tree[0]}, ingest {self._tree}")
        self.worktree_add_ms.append(1000 * add_s)
        return 1000 * (add_s + rest_s)

    def next_snapshot(self) -> float:
        """One more commit on the repository, and its first workspace."""
        self._serial += 1
        numbers = range(0, self.files, max(1, self.files // NEXT_CHANGED))
        change(self.repository, list(numbers)[:NEXT_CHANGED], f"change {self._serial}")
        return 1000 * seconds(self._visit)

    def _visit(self) -> None:
        source = open_source(self.repository, None, self.home / "state")
        try:
            with source.workspace(self.engine, "visit"):
                pass
        finally:
            source.close()

    def _workspace(self) -> float:
        source = open_source(self.repository, None, self.home / "state")
        patches: list[Patch] = []

        def work() -> None:
            with source.workspace(self.engine, "bench") as overlay:
                self._write(overlay.upper)
                patches.append(source.ingest(overlay, "three files"))

        try:
            elapsed_s = seconds(work)
        finally:
            source.close()
        self._tree = patches[0].tree
        return elapsed_s

    def _write(self, directory: Path) -> None:
        """The change: two files edited, one added."""
        for name in (path_of(1), path_of(self.files // 2), "added/new.txt"):
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("changed\n")
