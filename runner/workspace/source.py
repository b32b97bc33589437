"""One repository at one base commit: workspaces out of it, patches into a private store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from runner.errors import ConfigError, InfraError
from runner.live import LIVE, take
from runner.ports import Engine
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.records.paths import decode_path
from runner.records.repository import Base
from runner.records.sandbox import Overlay
from runner.records.setup import Layer, Wanted
from runner.remove import remove_tree
from runner.workspace import adopt, changes, push
from runner.workspace.blobs import Blobs
from runner.workspace.dot_git import make_dot_git
from runner.workspace.git import Git, disk_errors, plain
from runner.workspace.ingest import Ingest
from runner.workspace.installed import patterns, write_installed
from runner.workspace.layer import give, write_delta, write_part, write_whole
from runner.workspace.layers import LAYER, Layers
from runner.workspace.listing import between, whole
from runner.workspace.private import private_store
from runner.workspace.repository import (
    Repository,
    find,
    head_branch,
    remote_branch,
    require_clean,
    resolve,
    tracking,
)
from runner.workspace.snapshot import Snapshot, Snapshots, cache_of
from runner.workspace.touched import touched
from runner.workspace.trees import Trees

INGEST_S = 120
READ_S = 60
"""For one question about what was ingested."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@disk_errors()
def open_source(
    path: Path,
    revision: str | None,
    state: Path,
    *,
    allow_dirty: bool = False,
    alternates: Sequence[Path] = (),
    scratch: Path | None = None,
) -> GitSource:
    """The repository at `path`, at `revision` (None = HEAD, whose tracked files must be clean).

    `state` is the product's own directory: `live/` of running processes, `snapshots/` kept.
    The repository may borrow objects from `alternates`. `scratch` is in `state`; None = its own.

    Raises:
        ConfigError: no repository, no such commit, uncommitted changes, a way out of it.
    """
    repository = find(path, alternates)
    commit = resolve(repository, revision)
    closing = ExitStack()
    try:
        if scratch is None:
            lease = take(state.resolve() / LIVE)
            closing.callback(lease.close)
            scratch = lease.path
        if revision is None and not allow_dirty:
            require_clean(repository, commit, scratch / "clean")
        git = private_store(repository, scratch / "git")
        done = git.ask("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")
        if done.code:
            raise ConfigError(f"base {commit} has no readable tree", "run `git fsck` there")
        base = Base(
            repository=repository.root,
            commit=commit,
            tree=Oid(done.text()),
            branch=head_branch(repository),
            remote=repository.remote,
            remote_branch=remote_branch(repository),
        )
        snapshots = Snapshots(cache_of(state.resolve(), repository.objects), git, scratch)
        closing.callback(snapshots.close)
        return GitSource(base, git, scratch, snapshots, repository, closing)
    except BaseException:
        closing.close()
        raise


class GitSource:
    """A `Source`. What a run stores is in a repository of its own, gone with `close()`."""

    def __init__(
        self,
        base: Base,
        git: Git,
        scratch: Path,
        snapshots: Snapshots,
        repository: Repository,
        closing: ExitStack,
    ) -> None:
        self._base = base
        self._git = git
        self._scratch = scratch
        self._snapshots = snapshots
        self._repository = repository
        self._closing = closing
        self._layers = Layers(snapshots.directory.parents[1] / "setup" / snapshots.directory.name)
        closing.callback(self._layers.close)
        self._sha256 = repository.sha256
        self._blobs = Blobs()
        self._known: dict[int, Snapshot] = {}
        self._starts: dict[Path, tuple[Snapshot, Oid]] = {}

    @property
    def base(self) -> Base:
        return self._base

    def close(self) -> None:
        """Give back what it holds: locks on snapshots, and a directory of its own."""
        self._closing.close()

    @contextmanager
    def workspace(
        self, engine: Engine, name: str, tree: Oid | None = None, over: tuple[Path, ...] = ()
    ) -> Iterator[Overlay]:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a workspace name: {name!r}")
        snapshot = self._snapshot(engine.uid)
        place = self._scratch / "work" / name
        place.mkdir(parents=True, mode=0o700)
        try:
            lowers = self._lowers(snapshot, tree or self._base.tree, place / "tree", over)
            make_dot_git(place / "git", snapshot, self._base.branch, sha256=self._sha256)
            overlay = _overlay(engine, place, lowers, place / "git")
            self._starts[overlay.upper] = (snapshot, tree or self._base.tree)
            yield overlay
        finally:
            remove_tree(place)
            self._starts.pop(place / "upper", None)

    @disk_errors()
    def layer(self, engine: Engine, wanted: Wanted) -> Layer:
        place = self._scratch / "work" / "setup"
        place.mkdir(parents=True, mode=0o700)
        try:
            tree, lowers = self._shown(engine, place, wanted)
            base = self._base.tree
            rules = patterns(self._git, base)
            about = f"{wanted.about} {tree} {rules} {engine.uid} {engine.attributes}"
            at = Trees(self._git, base)
            with self._layers.claimed(about, at, wanted.wait) as (key, found):
                card = found
                if card is None:
                    overlay = _overlay(engine, place, lowers, place / "empty")
                    wanted.make(overlay)
                    new = place / "new"
                    new.mkdir()
                    made = write_installed(self._git, overlay, tree, base, new / LAYER, wanted)
                    give(new, engine.uid)
                    card = self._layers.keep(key, new, made)
            return Layer(
                path=self._layers.path(key),
                key=key,
                cached=found is not None,
                files=card.files,
                size_bytes=card.size_bytes,
                dropped=card.dropped,
            )
        finally:
            remove_tree(place)

    def _shown(self, engine: Engine, place: Path, wanted: Wanted) -> tuple[Oid, tuple[Path, ...]]:
        """What a setup's commands see of the base."""
        if wanted.shows is None:
            return self._base.tree, self._snapshot(engine.uid).lowers
        layer, index = place / "tree", place / "index"
        return write_part(self._git, self._base.tree, wanted.shows, layer, index), (layer,)

    @disk_errors()
    def ingest(self, overlay: Overlay, message: str) -> Patch:
        snapshot, start = self._starts[overlay.upper]
        links = snapshot.links
        if start != self._base.tree:
            listing = between(self._git, self._base.tree, start)
            links = self._snapshots.moved_links(snapshot, listing)
        scratch = overlay.upper.parent / "ignore"
        remove_tree(scratch)
        git = self._git.for_s(INGEST_S)
        work = Ingest(git, overlay, start, links, scratch)
        made = work.commit(self._base.commit, message)
        return Patch(
            base_commit=self._base.commit,
            base_tree=self._base.tree,
            tree=made.tree,
            commit=made.commit,
            changes=changes.changes(git, self._base.tree, made.tree),
            ignored=made.ignored,
        )

    @disk_errors()
    def apply(self, patch: bytes) -> Oid:
        """The tree that a patch file makes of the base. Raises ConfigError: it does not apply."""
        git = self._git.for_s(INGEST_S)
        return adopt.applied(git, self._base, patch, self._scratch / "adopted")

    @disk_errors()
    def adopt(self, tree: Oid, commit: Oid | None = None, message: str = "") -> Patch:
        """A tree no sandbox left, under the law of `ingest`; it is in `commit`, None = make one."""
        git = self._git.for_s(INGEST_S)
        commit = commit or adopt.commit(git, self._base, tree, message)
        return adopt.adopt(git, self._base, tree, self._scratch / "adopted", commit)

    def diff(self, patch: Patch) -> bytes:
        self._blobs.expect(patch.changes)  # whoever asks for it looks into it
        return changes.diff(self._git.for_s(READ_S), patch.base_tree, patch.tree)

    def blob(self, oid: Oid) -> bytes:
        return self._blobs.read(self._git.for_s(READ_S), _checked(oid))

    def base_blob(self, path: str) -> bytes | None:
        node = Trees(self._git, self._base.tree).get(decode_path(path))
        return self.blob(node.oid) if node is not None and node.regular else None

    @disk_errors()
    def touched(self, overlay: Overlay) -> tuple[str, ...]:
        return touched(self._git.for_s(READ_S), overlay, self._starts[overlay.upper][1])

    def at_base(self, path: str) -> bool:
        return Trees(self._git, self._base.tree).get(decode_path(path)) is not None

    def push(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        if ref == f"refs/heads/{self._base.remote_branch}":
            raise ConfigError(f"{ref} is the remote's default branch", "push to another branch")
        push.push(self._git, _checked(commit), remote, ref, token)

    def withdraw(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        push.withdraw(self._git, _checked(commit), remote, ref, token)

    def require_published(self, remote: str, target: str, token: str | None) -> None:
        place = push.remote_of(remote).place
        if place is not None and place.is_relative_to(self._repository.root):
            raise ConfigError(
                f"remote {plain(remote)} lies inside the repository",
                "name one the repository's author does not control: its hooks run as you",
            )
        tracked = tracking(self._repository)
        push.require_published(self._git, tracked, self._base.commit, remote, target, token)

    @disk_errors()
    def _snapshot(self, uid: int) -> Snapshot:
        if uid not in self._known:
            self._known[uid] = self._snapshots.get(self._base.commit, self._base.tree, uid)
        return self._known[uid]

    @disk_errors()
    def _lowers(
        self, snapshot: Snapshot, tree: Oid, layer: Path, over: tuple[Path, ...]
    ) -> tuple[Path, ...]:
        if tree == self._base.tree:
            return (*over, *snapshot.lowers)
        try:
            write_delta(self._git, between(self._git, self._base.tree, tree), layer)
        except PermissionError:  # no whiteouts here
            remove_tree(layer)
            write_whole(self._git, tree, whole(self._git, tree), layer, layer.with_name("index"))
            return (layer, *over)
        return (layer, *over, *snapshot.lowers)


@disk_errors()
def _overlay(engine: Engine, place: Path, lowers: tuple[Path, ...], git: Path) -> Overlay:
    for name in ("upper", "work", "empty"):
        (place / name).mkdir()
    give(place, engine.uid)
    covers = {".git": git, ".codex": place / "empty", ".agents": place / "empty"}
    return Overlay(
        lowers=lowers,
        upper=place / "upper",
        work=place / "work",
        covers=MappingProxyType(covers),
        attributes=engine.attributes,
    )


def _checked(oid: Oid) -> Oid:
    if not _OID.fullmatch(oid):
        raise InfraError(f"{oid!r} is not an object id", "report this")
    return oid
