"""A tree that no sandbox left - a branch's, a patch file's - as a measured Patch.

1. A patch is applied to an index in the private store: no work tree, so nothing can be written.
2. Only a tree that git itself would write is taken: no doubled names, no odd modes, no `.git`.
3. The law of the ingest holds for it as well (`law`), and the same records come out.
"""

from __future__ import annotations

import time
from pathlib import Path

from runner.errors import ConfigError, RefusedError
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.records.paths import decode_path
from runner.records.repository import Base
from runner.workspace import changes
from runner.workspace.draft import Draft
from runner.workspace.git import Git, plain
from runner.workspace.law import check_made
from runner.workspace.listing import upward_links, whole
from runner.workspace.trees import Node, Trees

WHO = "codex-runner"
ADDRESS = "codex-runner@localhost"
MEND = "make the tree again with git: read-tree, write-tree"


def applied(git: Git, base: Base, patch: bytes, index: Path) -> Oid:
    """The tree that a patch makes of the base; `index` is a file that does not exist yet.

    Raises:
        ConfigError: it does not apply: conflicts, leaves the repository, is none.
    """
    git = git.within(GIT_INDEX_FILE=index)
    git.run("read-tree", base.tree)
    done = git.ask("apply", "--cached", "--whitespace=nowarn", "-", stdin=patch)
    if done.code:
        said = plain(done.error().removeprefix("error: ").partition(" (allow with")[0])
        raise ConfigError(
            f"the patch does not apply to {base.commit}: {said}",
            "make it against that commit (git diff --binary), or name another --base",
        )
    tree = Oid(git.run("write-tree").decode().strip())
    index.unlink()
    return tree


def adopt(git: Git, base: Base, tree: Oid, index: Path, commit: Oid) -> Patch:
    """What leads from the base to `tree`, which `commit` has.

    Raises:
        RefusedError: an entry that must not exist, named by its path.
    """
    _require_regular(git, base.tree, tree, index)
    made = changes.changes(git, base.tree, tree)
    result = Draft(Trees(git, base.tree))
    for change in made:
        path = decode_path(change.path)
        if change.new_oid is None:
            result.cleared.add(path)
        else:
            mode = change.new_mode.lstrip("0").encode()
            result.files[path] = Node(mode, change.new_oid)
    result.seal()
    result.base.load(path.rpartition(b"/")[0] for path in (*result.files, *result.cleared))
    check_made(git, upward_links(git, whole(git, base.tree).present), result)
    return Patch(
        base_commit=base.commit, base_tree=base.tree, tree=tree, commit=commit, changes=made
    )


def commit(git: Git, base: Base, tree: Oid, message: str) -> Oid:
    """One commit of ours on the base."""
    said = {"NAME": WHO, "EMAIL": ADDRESS, "DATE": f"{int(time.time())} +0000"}
    who = {f"GIT_{r}_{key}": value for r in ("AUTHOR", "COMMITTER") for key, value in said.items()}
    text = message.replace("\0", "").encode(errors="replace")
    made = git.within(**who).run("commit-tree", tree, "-p", base.commit, "-F", "-", stdin=text)
    return Oid(made.decode().strip())


def _require_regular(git: Git, old: Oid, new: Oid, index: Path) -> None:
    """A tree with two entries of one name shows each reader another one. An old repository may
    have odd modes that the base has as well."""
    if _rewritten(git, new, index) != new and _rewritten(git, old, index) == old:
        raise RefusedError(f"tree {new} is not one that git writes: names or modes are odd", MEND)


def _rewritten(git: Git, tree: Oid, index: Path) -> Oid | None:
    """The tree, entry by entry through an index; None = git refuses a name in it.

    Not by `read-tree`: it remembers the trees it read, and `write-tree` would repeat them.
    """
    git = git.within(GIT_INDEX_FILE=index)
    rows = git.run("ls-tree", "-r", "-z", "--full-tree", tree)
    added = git.ask("update-index", "-z", "--index-info", stdin=rows)
    written = git.ask("write-tree", "--missing-ok")
    index.unlink(missing_ok=True)
    return None if added.code or written.code else Oid(written.text())
