"""What a tree holds, or what leads from one to another, bounded before a byte goes to disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.errors import ConfigError
from runner.records.base import Oid
from runner.workspace.git import Git
from runner.workspace.names import COVERED
from runner.workspace.trees import (
    GITLINK,
    LINK,
    TREE,
    Entries,
    Node,
    join,
    read_objects,
    read_sizes,
    read_trees,
)

MAX_ENTRIES = 1_000_000
MAX_BYTES = 32 * 1024**3
MAX_DEPTH = 200


@dataclass(slots=True)
class Listing:
    """Paths of interest. What the product covers at the root is only in `covered`."""

    present: dict[bytes, Node] = field(default_factory=dict)
    """Files, links and submodules: for `between` the new and changed, for `whole` only links."""
    directories: set[bytes] = field(default_factory=set)
    """For `between`: new or changed directories."""
    gone: set[bytes] = field(default_factory=set)
    """Removed paths, directories among them."""
    covered: set[bytes] = field(default_factory=set)
    """Present paths that a sandbox does not see."""
    objects: set[Oid] = field(default_factory=set)
    """For `between`: blobs and trees the old tree does not have at that path."""


def whole(git: Git, tree: Oid) -> Listing:
    """Everything in a tree.

    Raises:
        ConfigError: more entries, bytes or levels than a work tree should have.
    """
    found = Listing()
    entries = size_bytes = 0

    def each(record: bytes) -> bool:
        nonlocal entries, size_bytes
        head, path = record.split(b"\t", 1)
        mode, _, oid, size = head.split()
        entries += 1
        size_bytes += int(size) if size.isdigit() else 0
        if _is_covered(path):
            found.covered.add(path)
        elif mode == LINK:
            found.present[path] = Node(mode, Oid(oid.decode()))
        return entries <= MAX_ENTRIES and size_bytes <= MAX_BYTES and _is_shallow(path)

    if not git.records("ls-tree", "-r", "-l", "-z", "--full-tree", tree, each=each):
        raise _too_big()
    return found


def between(git: Git, old: Oid, new: Oid) -> Listing:
    """What leads from one tree to another, without a look at what stays the same.

    Not by `git diff-tree`: it collects everything before it prints, and cannot be stopped in time.

    Raises:
        ConfigError: as `whole`.
    """
    found = Listing(objects={new})
    level: list[_Pair] = [(b"", old, new)]
    for _ in range(MAX_DEPTH):
        known = read_trees(git, {oid for _, *pair in level for oid in pair if oid})
        below: list[_Pair] = []
        for path, before, after in level:
            old_entries = known[before] if before else {}
            below += _compare(found, path, old_entries, known[after] if after else {})
            if len(found.present) + len(found.directories) + len(found.gone) > MAX_ENTRIES:
                raise _too_big()
        level = below
    nodes = [node for node in found.present.values() if node.mode != GITLINK]
    sizes = read_sizes(git, {node.oid for node in nodes})
    if level or sum(sizes[node.oid] for node in nodes) > MAX_BYTES:
        raise _too_big()
    return found


_Pair = tuple[bytes, Oid | None, Oid | None]
"""A directory and its two tree objects."""


def _compare(found: Listing, directory: bytes, old: Entries, new: Entries) -> Iterator[_Pair]:
    for name in old.keys() | new.keys():
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        path = join(directory, name)
        was_tree = before is not None and before.mode == TREE
        is_tree = after is not None and after.mode == TREE
        if before is not None and (after is None or was_tree != is_tree) and not _is_covered(path):
            found.gone.add(path)
        if after is not None:
            _add(found, path, after)
        if was_tree or is_tree:
            yield (
                path,
                before.oid if before is not None and was_tree else None,
                after.oid if after is not None and is_tree else None,
            )


def _add(found: Listing, path: bytes, node: Node) -> None:
    if node.mode != GITLINK:
        found.objects.add(node.oid)
    if node.mode == TREE:
        found.directories.add(path)
    elif _is_covered(path):
        found.covered.add(path)
    else:
        found.present[path] = node


def upward_links(git: Git, nodes: Mapping[bytes, Node]) -> dict[bytes, bytes]:
    """Links among `nodes` that have `..` in their target."""
    links = {path: node.oid for path, node in nodes.items() if node.mode == LINK}
    targets = read_objects(git, set(links.values()))
    return {path: targets[oid] for path, oid in links.items() if b".." in targets[oid]}


def _too_big() -> ConfigError:
    return ConfigError(
        f"the base has more than {MAX_ENTRIES} entries, {MAX_BYTES >> 30} GiB "
        f"or {MAX_DEPTH} levels of directories",
        "name another base: this one does not fit a work tree",
    )


def _is_covered(path: bytes) -> bool:
    return path.split(b"/", 1)[0] in COVERED


def _is_shallow(path: bytes) -> bool:
    return path.count(b"/") < MAX_DEPTH
