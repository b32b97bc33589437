"""Directories for overlayfs to stack: a whole checkout, or only what a later tree changes."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from runner.errors import ConfigError, InfraError
from runner.records.base import Oid
from runner.workspace.git import Git, plain
from runner.workspace.listing import Listing
from runner.workspace.names import COVERED
from runner.workspace.trees import GITLINK, ancestry


def write_whole(git: Git, tree: Oid, listing: Listing, layer: Path, index: Path) -> None:
    """Check a tree out, raw bytes; `index` gets git's index of it, with file times.

    Covered names become empty directories: mount points, never links.

    Raises:
        ConfigError: the tree has names git refuses, or objects are missing.
    """
    layer.mkdir()
    git = git.within(GIT_INDEX_FILE=index, GIT_WORK_TREE=layer)
    _checked(git, "read-tree", tree)
    hide(git, listing)
    _checked(git, "checkout-index", "--all", "--force", "--quiet", "--index")
    for name in COVERED:
        (layer / os.fsdecode(name)).mkdir()


def write_delta(git: Git, listing: Listing, layer: Path) -> None:
    """Check out what changed; what is gone becomes a whiteout (character device 0:0).

    1. Directories and whiteouts are made while there is no link in `layer` to be led by.
    2. git writes the files, from an index that has nothing else: O(change).

    Raises:
        PermissionError: whiteouts cannot be made here (Linux before 5.8, unprivileged).
        ConfigError: as `write_whole`.
    """
    layer.mkdir()
    root = os.fsencode(layer) + b"/"
    for path in listing.gone & listing.directories | _submodules(listing):
        os.makedirs(root + path, exist_ok=True)
    for path in _whiteouts(listing):
        os.makedirs(root + path.rpartition(b"/")[0], exist_ok=True)
        os.mknod(root + path, stat.S_IFCHR, os.makedev(0, 0))
    lines = b"".join(
        b"%s %s\t%s\0" % (node.mode, node.oid.encode(), path)
        for path, node in listing.present.items()
        if node.mode != GITLINK
    )
    index = layer.with_name(layer.name + ".index")
    git = git.within(GIT_INDEX_FILE=index, GIT_WORK_TREE=layer)
    _checked(git, "update-index", "-z", "--index-info", stdin=lines)
    _checked(git, "checkout-index", "--all", "--force", "--quiet")
    index.unlink(missing_ok=True)


def write_part(
    git: Git, tree: Oid, shows: Callable[[bytes], bool], layer: Path, index: Path
) -> Oid:
    """Check out the files of a tree that `shows` chooses; the tree they are. Not submodules.

    Raises:
        ConfigError: it chooses none.
    """
    chosen: list[bytes] = []

    def each(record: bytes) -> bool:
        head, path = record.split(b"\t", 1)
        mode = head.split()[0]
        if mode != GITLINK and path.split(b"/", 1)[0] not in COVERED and shows(path):
            chosen.append(record + b"\0")
        return True

    git.records("ls-tree", "-r", "-z", "--full-tree", tree, each=each)
    if not chosen:
        raise ConfigError(
            "setup.lockfiles match no file of the base", "mend the patterns, or leave them out"
        )
    indexing = git.within(GIT_INDEX_FILE=index)
    indexing.run("update-index", "-z", "--index-info", stdin=b"".join(chosen))
    part = Oid(indexing.run("write-tree").decode().strip())
    index.unlink()
    write_whole(git, part, Listing(), layer, index)
    return part


def hide(git: Git, listing: Listing) -> None:
    """Keep covered files out of checkouts and out of `git status`."""
    if listing.covered:
        lines = b"".join(path + b"\0" for path in sorted(listing.covered))
        _checked(git, "update-index", "--skip-worktree", "-z", "--stdin", stdin=lines)


def give(path: Path, uid: int) -> None:
    """Make `uid` the owner of everything under `path`; links are not followed.

    Raises:
        InfraError: only root can do that.
    """
    if uid == os.geteuid():
        return
    if os.geteuid() != 0:
        raise InfraError(
            f"the sandbox's user {uid} is not the user {os.geteuid()} of the runner",
            "run as root, or let the engine use your own user",
        )
    for _, directories, files, handle in os.fwalk(path):
        os.fchown(handle, uid, -1)
        for name in (*directories, *files):
            os.chown(name, uid, -1, dir_fd=handle, follow_symlinks=False)


def _whiteouts(listing: Listing) -> list[bytes]:
    """Removed paths that nothing else hides: not below another one, not where a file now is."""
    submodules = _submodules(listing)
    removed = listing.gone - listing.directories - submodules
    hidden = removed | (listing.present.keys() - submodules)
    return [
        path for path in removed - listing.present.keys() if hidden.isdisjoint(ancestry(path)[1:-1])
    ]


def _submodules(listing: Listing) -> set[bytes]:
    return {path for path, node in listing.present.items() if node.mode == GITLINK}


def _checked(git: Git, *args: str, stdin: bytes = b"") -> None:
    """These fail because of the base: a bad name, or a partial clone without some blobs."""
    done = git.ask(*args, stdin=stdin)
    if b"No space left" in done.stderr or b"unable to write" in done.stderr:
        raise InfraError("disk full: no space left for a checkout of the base", "free some space")
    if done.code:
        raise ConfigError(
            f"the base cannot be checked out: {plain(done.error())}",
            "use a complete clone without invalid names (`git fsck` finds both)",
        )
