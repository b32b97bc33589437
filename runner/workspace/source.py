"""One repository at one base commit: workspaces out of it, patches into a private store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from runner.errors import ConfigError, InfraError
from runner.live import Lease, take
from runner.ports import Base, Engine
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.records.paths import decode_path
from runner.records.sandbox import Overlay
from runner.remove import remove_tree
from runner.workspace import changes, push
from runner.workspace.dot_git import make_dot_git
from runner.workspace.git import Git, disk_errors, plain
from runner.workspace.ingest import Ingest
from runner.workspace.layer import give, write_delta, write_whole
from runner.workspace.listing import between, whole
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
from runner.workspace.store import RAW, alternates, lay
from runner.workspace.trees import Trees

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_OID = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


@disk_errors()
def open_source(
    path: Path, revision: str | None, state: Path, *, allow_dirty: bool = False
) -> GitSource:
    """The repository at `path`, at `revision` (None = HEAD, whose tracked files must be clean).

    `state` is the product's own directory: `live/` of running processes, `snapshots/` kept.

    Raises:
        ConfigError: no repository, no such commit, uncommitted changes.
    """
    repository = find(path)
    commit = resolve(repository, revision)
    lease = take(state.resolve() / "live")
    try:
        if revision is None and not allow_dirty:
            require_clean(repository, commit, lease.path / "clean")
        git = _private_store(repository, lease.path / "git")
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
        snapshots = Snapshots(cache_of(state.resolve(), repository.objects), git, lease.path)
        return GitSource(base, git, lease, snapshots, repository)
    except BaseException:
        lease.close()
        raise


class GitSource:
    """A `Source`. What a run stores is in a repository of its own, gone with `close()`."""

    def __init__(
        self, base: Base, git: Git, lease: Lease, snapshots: Snapshots, repository: Repository
    ) -> None:
        self._base = base
        self._git = git
        self._lease = lease
        self._snapshots = snapshots
        self._repository = repository
        self._sha256 = repository.sha256
        self._known: dict[int, Snapshot] = {}
        self._starts: dict[Path, tuple[Snapshot, Oid]] = {}

    @property
    def base(self) -> Base:
        return self._base

    def close(self) -> None:
        """Remove the private store; a process that dies is cleaned up after by the next one."""
        self._snapshots.close()
        self._lease.close()

    @contextmanager
    def workspace(self, engine: Engine, name: str, tree: Oid | None = None) -> Iterator[Overlay]:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a workspace name: {name!r}")
        snapshot = self._snapshot(engine.uid)
        place = self._lease.path / "work" / name
        place.mkdir(parents=True, mode=0o700)
        try:
            overlay = self._overlay(engine, place, snapshot, tree)
            self._starts[overlay.upper] = (snapshot, tree or self._base.tree)
            yield overlay
        finally:
            remove_tree(place)
            self._starts.pop(place / "upper", None)

    @disk_errors()
    def ingest(self, overlay: Overlay, message: str) -> Patch:
        snapshot, start = self._starts[overlay.upper]
        links = snapshot.links
        if start != self._base.tree:
            listing = between(self._git, self._base.tree, start)
            links = self._snapshots.moved_links(snapshot, listing)
        scratch = overlay.upper.parent / "ignore"
        remove_tree(scratch)
        work = Ingest(self._git, overlay, start, links, scratch)
        made = work.commit(self._base.commit, message)
        return Patch(
            base_commit=self._base.commit,
            base_tree=self._base.tree,
            tree=made.tree,
            commit=made.commit,
            changes=changes.changes(self._git, self._base.tree, made.tree),
            ignored=made.ignored,
        )

    def diff(self, patch: Patch) -> bytes:
        return changes.diff(self._git, patch.base_tree, patch.tree)

    def blob(self, oid: Oid) -> bytes:
        return self._git.run("cat-file", "blob", _checked(oid))

    def base_blob(self, path: str) -> bytes | None:
        node = Trees(self._git, self._base.tree).get(decode_path(path))
        return self.blob(node.oid) if node is not None and node.regular else None

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
    def _overlay(
        self, engine: Engine, place: Path, snapshot: Snapshot, tree: Oid | None
    ) -> Overlay:
        for name in ("upper", "work", "empty"):
            (place / name).mkdir()
        lowers = self._lowers(snapshot, tree or self._base.tree, place / "tree")
        make_dot_git(place / "git", snapshot, self._base.branch, sha256=self._sha256)
        give(place, engine.uid)
        covers = {".git": place / "git", ".codex": place / "empty", ".agents": place / "empty"}
        return Overlay(
            lowers=lowers,
            upper=place / "upper",
            work=place / "work",
            covers=MappingProxyType(covers),
            attributes=engine.attributes,
        )

    def _lowers(self, snapshot: Snapshot, tree: Oid, layer: Path) -> tuple[Path, ...]:
        if tree == self._base.tree:
            return snapshot.lowers
        try:
            write_delta(self._git, between(self._git, self._base.tree, tree), layer)
        except PermissionError:  # no whiteouts here
            remove_tree(layer)
            write_whole(self._git, tree, whole(self._git, tree), layer, layer.with_name("index"))
            return (layer,)
        return (layer, *snapshot.lowers)


def _checked(oid: Oid) -> Oid:
    if not _OID.fullmatch(oid):
        raise InfraError(f"{oid!r} is not an object id", "report this")
    return oid


def _private_store(repository: Repository, directory: Path) -> Git:
    """A bare repository that borrows the user's objects and nothing else."""
    files = {
        "objects/info/alternates": alternates(repository.objects),
        "info/attributes": RAW.encode(),
    }
    shallow = repository.common / "shallow"
    if shallow.is_file():
        files["shallow"] = shallow.read_bytes()
    return lay(directory, sha256=repository.sha256, files=files)
