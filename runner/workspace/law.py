"""What no resulting tree may hold, whoever made it: an ingested one, a branch's, a patch file's."""

from __future__ import annotations

from collections.abc import Mapping

from runner.workspace.draft import Draft, check_twins, mode_of
from runner.workspace.git import Git
from runner.workspace.links import escapes
from runner.workspace.names import identity, is_dot_git
from runner.workspace.trees import LINK, Node, read_objects
from runner.workspace.walk import MAX_DEPTH, MAX_PATH_BYTES, Found, refuse

RELINK = "link to a relative path inside the repository"
RENAME = "give it another name"


def check_made(git: Git, links: Mapping[bytes, bytes], result: Draft) -> None:
    """All of it, of a tree that was not walked. `links` as for `check_links`.

    Raises:
        RefusedError: names the entry.
    """
    for path in result.files:
        parts = path.split(b"/")
        if any(is_dot_git(part) for part in parts):
            raise refuse(path, "a name that git or a file system takes for .git", RENAME)
        if len(parts) > MAX_DEPTH or len(path) > MAX_PATH_BYTES:
            raise refuse(path[:100], "a path that is too long or too deep", RENAME)
    check_twins(result)
    check_links(git, links, result)


def check_links(git: Git, links: Mapping[bytes, bytes], result: Draft) -> None:
    """Every new link, and every old one that a new, moved or removed one could have bent.

    `links` are those of the base with `..` in their target.

    Raises:
        RefusedError: names the link.
    """
    fresh = {path for path, file in result.files.items() if mode_of(file) == LINK}
    if not fresh and not result.cleared and not links.keys() & result.files.keys():
        return
    suspects = sorted(fresh | links.keys())
    result.base.load(path.rpartition(b"/")[0] for path in suspects)
    known = {node.oid: links[path] for path in links if (node := result.base.get(path))}

    def target(file: Found | Node | None) -> bytes | None:
        if isinstance(file, Found):
            return file.target if file.kind == "link" else None
        if file is None or file.mode != LINK:
            return None
        if file.oid not in known:
            known[file.oid] = read_objects(git, {file.oid})[file.oid]
        return known[file.oid]

    for path in suspects:
        new, old = target(result.get(path)), target(result.base.get(path))
        if new is None:
            continue
        why = escapes(path, new, lambda path: target(result.get(path)))
        excused = old == new and escapes(path, old, lambda path: target(result.base.get(path)))
        if why and not excused:
            raise refuse(path, why, RELINK)
        if path in fresh and identity(path.rpartition(b"/")[2]) == ".gitmodules":
            raise refuse(path, "a symbolic link that git reads as configuration", RELINK)
