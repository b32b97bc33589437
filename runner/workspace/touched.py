"""Which tracked files a sandbox wrote to, be it the same again; nothing is read or stored.

overlayfs copies a file into the upper directory when it is opened for writing, so one that was
mended for a while and put back is there as well.
"""

from __future__ import annotations

from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.records.sandbox import Overlay
from runner.workspace.draft import draft
from runner.workspace.git import Git
from runner.workspace.trees import GITLINK, TREE, Node, Trees
from runner.workspace.walk import walk


def touched(git: Git, overlay: Overlay, start: Oid) -> tuple[str, ...]:
    """Written, removed or moved; paths in the text form, sorted.

    Raises:
        RefusedError: an entry that must not exist, so that nothing else can be told.
    """
    base = Trees(git, start)
    result = draft(walk(overlay.upper, overlay.attributes), base)
    base.load(path.rpartition(b"/")[0] for path in result.cleared)
    found = {path for path in (*result.files, *result.cleared) if _is_file(base.get(path))}
    below = base.beneath(result.cleared - found)
    found.update(path for path, node in below.items() if _is_file(node))
    return tuple(map(encode_path, sorted(found)))


def _is_file(node: Node | None) -> bool:
    return node is not None and node.mode not in (TREE, GITLINK)
