"""One tree of the store, read directory by directory: only those a change touches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.errors import InfraError
from runner.records.base import Oid
from runner.workspace.git import Git

TREE, LINK, GITLINK = b"40000", b"120000", b"160000"
EXECUTABLE, REGULAR = b"100755", b"100644"

Entries = Mapping[bytes, "Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """One entry of a tree; `mode` as git stores it."""

    mode: bytes
    oid: Oid

    @property
    def regular(self) -> bool:
        return self.mode.startswith(b"100")


@dataclass(slots=True)
class Trees:
    """Lazily read directories of one root tree. Paths have no leading or trailing slash."""

    git: Git
    root: Oid
    _known: dict[bytes, Entries] = field(default_factory=dict)

    def load(self, directories: Iterable[bytes]) -> None:
        """Read these and all above them, one git process for each level."""
        wanted = {above for path in directories for above in ancestry(path)} - self._known.keys()
        while wanted:
            level = min(path.count(b"/") if path else -1 for path in wanted)
            batch = {path for path in wanted if (path.count(b"/") if path else -1) == level}
            wanted -= batch
            oids = {path: self._oid(path) for path in batch}
            trees = read_trees(self.git, {oid for oid in oids.values() if oid})
            self._known.update((path, trees[oid] if oid else {}) for path, oid in oids.items())

    def entries(self, directory: bytes) -> Entries:
        """Names in a directory; empty when it is none."""
        if directory not in self._known:
            self.load([directory])
        return self._known[directory]

    def get(self, path: bytes) -> Node | None:
        """What is at `path`."""
        if not path:
            return Node(TREE, self.root)
        parent, _, name = path.rpartition(b"/")
        return self.entries(parent).get(name)

    def beneath(self, directories: Iterable[bytes]) -> dict[bytes, Node]:
        """All that is not a directory below these, with full paths."""
        found: dict[bytes, Node] = {}
        level = list(directories)
        while level:
            self.load(level)
            below = []
            for directory in level:
                for name, node in self._known[directory].items():
                    path = join(directory, name)
                    if node.mode == TREE:
                        below.append(path)
                    else:
                        found[path] = node
            level = below
        return found

    def _oid(self, directory: bytes) -> Oid | None:
        if not directory:
            return self.root
        parent, _, name = directory.rpartition(b"/")
        node = self._known[parent].get(name)
        return node.oid if node and node.mode == TREE else None


def read_trees(git: Git, oids: set[Oid]) -> dict[Oid, Entries]:
    """Many tree objects through one process."""
    contents = read_objects(git, oids)
    return {oid: dict(_parse(content, len(oid) // 2)) for oid, content in contents.items()}


def read_objects(git: Git, oids: set[Oid]) -> dict[Oid, bytes]:
    """Contents of many objects through one process.

    Raises:
        InfraError: one is missing.
    """
    if not oids:
        return {}
    order = sorted(oids)
    output = git.run("cat-file", "--batch", "--buffer", stdin="\n".join(order).encode() + b"\n")
    found: dict[Oid, bytes] = {}
    at = 0
    for oid in order:
        end = output.index(b"\n", at)
        head = output[at:end].split()
        if len(head) != 3:
            raise missing(oid)
        at = end + 1 + int(head[2]) + 1
        found[oid] = output[end + 1 : at - 1]
    return found


def read_sizes(git: Git, oids: set[Oid]) -> dict[Oid, int]:
    """Sizes in bytes of many objects.

    Raises:
        InfraError: one is missing.
    """
    if not oids:
        return {}
    text = "\n".join(sorted(oids)).encode() + b"\n"
    output = git.run("cat-file", "--batch-check", "--buffer", stdin=text).decode()
    found: dict[Oid, int] = {}
    for line in output.splitlines():
        oid, kind, *size = line.split(" ")
        if kind == "missing":
            raise missing(Oid(oid))
        found[Oid(oid)] = int(size[0])
    return found


def missing(oid: Oid) -> InfraError:
    """A clone made with --filter lacks what was never checked out; we never fetch."""
    return InfraError(
        f"object {oid} is missing from the repository",
        "use a complete clone (`git fetch --refetch --no-filter` completes a partial one)",
    )


def ancestry(path: bytes) -> list[bytes]:
    """`a/b` -> `['', 'a', 'a/b']`."""
    parts = path.split(b"/") if path else []
    return [b"/".join(parts[:count]) for count in range(len(parts) + 1)]


def join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory else name


def _parse(content: bytes, oid_bytes: int) -> Iterable[tuple[bytes, Node]]:
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        nul = content.index(b"\0", space)
        end = nul + 1 + oid_bytes
        yield (
            content[space + 1 : nul],
            Node(content[at:space].lstrip(b"0"), Oid(content[nul + 1 : end].hex())),
        )
        at = end
