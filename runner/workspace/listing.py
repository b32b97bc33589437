"""What a tree holds, or what leads from one to another, bounded before a byte goes to disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from runner.errors import ConfigError
from runner.records.base import Oid
from runner.workspace.git import Git
from runner.workspace.names import COVERED
from runner.workspace.trees import GITLINK, LINK, Node, read_objects

MAX_ENTRIES = 1_000_000
MAX_BYTES = 32 * 1024**3
MAX_DEPTH = 200
_DIRECTORY, _ABSENT = b"040000", b"000000"


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

    _read(git, each, "ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    return found


def between(git: Git, old: Oid, new: Oid) -> Listing:
    """What leads from one tree to another, without a look at what stays the same.

    Raises:
        ConfigError: as `whole`; bytes are not counted.
    """
    found = Listing(objects={new})
    header: list[bytes] = []

    def each(record: bytes) -> bool:
        if not header:
            header[:] = record[1:].split(b" ")
            return True
        _, mode, _, oid, _ = header
        header.clear()
        node = Node(mode, Oid(oid.decode()))
        if mode == _ABSENT:
            if not _is_covered(record):
                found.gone.add(record)
            return len(found.gone) <= MAX_ENTRIES
        if mode != GITLINK:
            found.objects.add(node.oid)
        if mode == _DIRECTORY:
            found.directories.add(record)
        elif _is_covered(record):
            found.covered.add(record)
        else:
            found.present[record] = node
        return len(found.objects) <= MAX_ENTRIES and _is_shallow(record)

    flags = ("-r", "-t", "-z", "--raw", "--no-abbrev", "--no-renames")
    _read(git, each, "diff-tree", *flags, old, new)
    return found


def upward_links(git: Git, nodes: Mapping[bytes, Node]) -> dict[bytes, bytes]:
    """Links among `nodes` that have `..` in their target."""
    links = {path: node.oid for path, node in nodes.items() if node.mode == LINK}
    targets = read_objects(git, set(links.values()))
    return {path: targets[oid] for path, oid in links.items() if b".." in targets[oid]}


def _read(git: Git, each: Callable[[bytes], bool], *command: str) -> None:
    if not git.records(*command, each=each):
        raise ConfigError(
            f"the base has more than {MAX_ENTRIES} entries, {MAX_BYTES >> 30} GiB "
            f"or {MAX_DEPTH} levels of directories",
            "name another base: this one does not fit a work tree",
        )


def _is_covered(path: bytes) -> bool:
    return path.split(b"/", 1)[0] in COVERED


def _is_shallow(path: bytes) -> bool:
    return path.count(b"/") < MAX_DEPTH
