"""Checked-out bases, kept: made once for a commit, in O(change) for a commit that follows.

A snapshot is a stack of layers. A later commit's is one more layer on the snapshot of one of its
ancestors, with the ancestor's packs hard-linked beside a small one of its own: what a sandbox can
read is at most what the history of its base holds.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.live import exclusive, hold
from runner.records.base import Oid, Record
from runner.remove import remove_tree
from runner.workspace import layer as layers
from runner.workspace.git import Git
from runner.workspace.listing import Listing, between, upward_links, whole

MAX_LAYERS = 8
KEPT_STACKS = 3
"""Whole checkouts kept for a repository and a user; more than that are not in use, or old."""
CARD, LAYER, INDEX, PACKS = "card.json", "layer", "index", "packs"


class Card(Record):
    """What a snapshot is; written last."""

    commit: Oid
    tree: Oid
    uid: int
    below: tuple[str, ...]
    """Names of the snapshots it lies on, nearest first."""
    links: dict[str, str]
    """Links with `..` in their target, both as hex: paths are bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One base, ready to lie under overlays."""

    path: Path
    card: Card

    @property
    def lowers(self) -> tuple[Path, ...]:
        """Topmost first."""
        names = (self.path.name, *self.card.below)
        return tuple(self.path.with_name(name) / LAYER for name in names)

    @property
    def index(self) -> Path:
        return self.path / INDEX

    @property
    def packs(self) -> Path:
        return self.path / PACKS

    @property
    def links(self) -> dict[bytes, bytes]:
        """Links with `..` in their target."""
        return {bytes.fromhex(at): bytes.fromhex(to) for at, to in self.card.links.items()}


@dataclass(slots=True)
class Snapshots:
    """The cache of one repository, and locks on what this process uses of it."""

    directory: Path
    git: Git
    scratch: Path
    """A directory of this process on the same file system."""
    _locks: list[int] = field(default_factory=list)

    def get(self, commit: Oid, tree: Oid, uid: int) -> Snapshot:
        """The snapshot of a commit for files owned by `uid`; made if it has to be.

        Raises:
            ConfigError: the base cannot or should not be checked out.
            InfraError: another user's files can only be made by root.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(self.directory / ".guard"):
            snapshot = _open(self.directory / f"{commit}-{uid}")
            if snapshot is None:
                snapshot = self._make(commit, tree, uid)
            os.utime(snapshot.path)
            for place in snapshot.lowers:
                self._locks.append(hold(_use(place.parent), fcntl.LOCK_SH))
            if not snapshot.card.below:
                self._evict(uid)
        return snapshot

    def close(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def _make(self, commit: Oid, tree: Oid, uid: int) -> Snapshot:
        new = self.scratch / "snapshot"
        older = self._ancestor(commit, uid)
        try:
            card = self._stack(new, older, commit, tree) if older else None
        except PermissionError:  # no whiteouts here
            card = None
        card = card or self._whole(new, commit, tree, uid)
        layers.give(new, uid)
        (new / CARD).write_text(card.model_dump_json())
        final = self.directory / f"{commit}-{uid}"
        remove_tree(final)  # what an interrupted removal left
        new.rename(final)
        return Snapshot(final, card)

    def _whole(self, new: Path, commit: Oid, tree: Oid, uid: int) -> Card:
        listing = whole(self.git, tree)
        _fresh(new)
        layers.write_whole(self.git, tree, listing, new / LAYER, new / INDEX)
        self._pack(new, ["--revs"], f"--shallow {commit}\n{commit}\n")
        return _card(commit, tree, uid, (), upward_links(self.git, listing.present))

    def _stack(self, new: Path, older: Snapshot, commit: Oid, tree: Oid) -> Card:
        listing = between(self.git, older.card.tree, tree)
        _fresh(new)
        layers.write_delta(self.git, listing, new / LAYER)
        shutil.copyfile(older.index, new / INDEX)
        git = self.git.within(GIT_INDEX_FILE=new / INDEX, GIT_WORK_TREE=new / LAYER)
        git.run("read-tree", "-m", "-i", tree)
        layers.hide(git, listing)
        self._pack(new, [], "".join(f"{oid}\n" for oid in sorted({commit, *listing.objects})))
        for file in older.packs.iterdir():
            (new / PACKS / file.name).hardlink_to(file)
        below = (older.path.name, *older.card.below)
        return _card(commit, tree, older.card.uid, below, self.moved_links(older, listing))

    def moved_links(self, older: Snapshot, listing: Listing) -> dict[bytes, bytes]:
        """`links` of the tree that `listing` leads to."""
        changed = listing.gone | listing.present.keys()
        kept = {path: target for path, target in older.links.items() if path not in changed}
        return kept | upward_links(self.git, listing.present)

    def _pack(self, new: Path, flags: list[str], objects: str) -> None:
        """No search for deltas: those of the user's packs are taken over as they are."""
        flags = ["--quiet", "--window=0", "--delta-base-offset", *flags]
        self.git.run("pack-objects", *flags, str(new / PACKS / "pack"), stdin=objects.encode())

    def _ancestor(self, commit: Oid, uid: int) -> Snapshot | None:
        """The ancestor used last, to build on; none when its stack is as high as they get."""
        for snapshot in sorted(self._all(uid), key=_used_at, reverse=True):
            older = snapshot.card.commit
            if not self.git.ask("merge-base", "--is-ancestor", older, commit).code:
                return snapshot if len(snapshot.lowers) < MAX_LAYERS else None
        return None

    def _all(self, uid: int) -> Iterator[Snapshot]:
        for path in self.directory.glob(f"*-{uid}"):
            if snapshot := _open(path):
                yield snapshot

    def _evict(self, uid: int) -> None:
        """Remove stacks nobody uses, but not the ones used last."""
        stacks: dict[Path, list[Snapshot]] = {}
        for snapshot in self._all(uid):
            stacks.setdefault(snapshot.lowers[-1], []).append(snapshot)
        by_use = sorted(stacks.values(), key=lambda stack: max(map(_used_at, stack)))
        for stack in by_use[:-KEPT_STACKS]:
            if all(_is_idle(snapshot.path) for snapshot in stack):
                for snapshot in stack:
                    (snapshot.path / CARD).unlink()  # a half-removed one is none
                    remove_tree(snapshot.path)
                    _use(snapshot.path).unlink(missing_ok=True)


def cache_of(state: Path, objects: Path) -> Path:
    """Where the snapshots of the repository with this object directory are kept."""
    return state / "snapshots" / hashlib.sha256(os.fsencode(objects)).hexdigest()[:16]


def _fresh(new: Path) -> None:
    remove_tree(new)
    (new / PACKS).mkdir(parents=True)


def _card(
    commit: Oid, tree: Oid, uid: int, below: tuple[str, ...], links: dict[bytes, bytes]
) -> Card:
    text = {path.hex(): target.hex() for path, target in sorted(links.items())}
    return Card(commit=commit, tree=tree, uid=uid, below=below, links=text)


def _open(path: Path) -> Snapshot | None:
    try:
        return Snapshot(path, Card.model_validate_json((path / CARD).read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError:
        raise InfraError(f"{path} is damaged", f"remove the directory {path.parent}") from None


def _use(path: Path) -> Path:
    return path.with_name(path.name + ".use")


def _used_at(snapshot: Snapshot) -> int:
    return snapshot.path.stat().st_mtime_ns


def _is_idle(path: Path) -> bool:
    try:
        os.close(hold(_use(path), fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
