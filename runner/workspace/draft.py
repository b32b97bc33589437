"""What the upper directory says, as differences to the tree it lay over.

overlayfs writes three things beside plain files: whiteouts (this name is gone), opaque directories
(nothing of the lower one shows through) and, where the engine mounts with `redirect_dir=on`,
redirects (the lower directory is another one: somebody renamed it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.records.paths import encode_path
from runner.workspace.names import COVERED, identity
from runner.workspace.trees import EXECUTABLE, GITLINK, LINK, REGULAR, TREE, Node, Trees, join
from runner.workspace.walk import Found, refuse

TWIN = "a name that differs only in case or invisible characters from "
SUBMODULE = "change the submodule in its own repository"

File = Found | Node
"""Content the sandbox wrote, or an object of the base that was moved here."""


@dataclass(slots=True)
class Draft:
    """The resulting tree: `base` without `cleared`, then with `files`. Paths are exact bytes."""

    base: Trees
    cleared: set[bytes] = field(default_factory=set)
    """Nothing at or below these is left of the base."""
    files: dict[bytes, File] = field(default_factory=dict)
    ignored: int = 0
    _directories: set[bytes] = field(default_factory=set)

    def seal(self) -> None:
        """Call when `files` are complete: the directories they imply."""
        self._directories = {above for path in self.files for above in _above(path)}

    def is_directory(self, path: bytes) -> bool:
        """Do any of `files` lie below `path`?"""
        return path in self._directories

    def get(self, path: bytes) -> File | None:
        """What the resulting tree has at `path`; a directory is a Node of mode TREE."""
        if path in self.files:
            return self.files[path]
        if self.is_directory(path):
            return Node(TREE, self.base.root)
        if any(above in self.cleared or above in self.files for above in (path, *_above(path))):
            return None
        return self.base.get(path)

    def drop(self, path: bytes) -> None:
        """Leave out a new file; what the base had below its name is gone all the same."""
        del self.files[path]
        self.cleared.add(path)


def draft(entries: Iterable[Found], base: Trees) -> Draft:
    """Apply the rules of overlayfs, without looking at any lower directory but git's trees.

    Raises:
        RefusedError: a file inside a submodule's directory.
    """
    result = Draft(base)
    lower: dict[bytes, bytes | None] = {b"": b""}
    children: dict[bytes, set[bytes]] = defaultdict(set)
    for found in entries:
        parent, _, name = found.path.rpartition(b"/")
        children[parent].add(name)
        if found.kind == "directory":
            origin = lower[found.path] = _origin(found, lower[parent], name)
            if origin != found.path:
                result.cleared.add(found.path)
        elif found.kind == "whiteout":
            result.cleared.add(found.path)
        else:
            result.files[found.path] = found
    _graft(result, lower, children)
    _settle(result, lower)
    return result


def _origin(found: Found, parent: bytes | None, name: bytes) -> bytes | None:
    """The directory of the base whose entries show through in this one."""
    if found.opaque:
        return None
    if found.redirect is not None and found.redirect.startswith(b"/"):
        return found.redirect[1:]
    return None if parent is None else join(parent, found.redirect or name)


def _graft(
    result: Draft, lower: dict[bytes, bytes | None], children: dict[bytes, set[bytes]]
) -> None:
    """Renamed directories: what the upper one does not shadow came along from the base."""
    moved = {at: origin for at, origin in lower.items() if origin is not None and origin != at}
    result.base.load(moved.values())
    whole: dict[bytes, bytes] = {}
    for at, origin in moved.items():
        for name, node in result.base.entries(origin).items():
            if name in children[at]:
                continue
            if node.mode == TREE:
                whole[join(origin, name)] = join(at, name)
            elif node.mode != GITLINK:
                result.files[join(at, name)] = node
    result.base.beneath(whole)  # all of them at once, so that the loop starts no process
    for source, target in whole.items():
        for path, node in result.base.beneath([source]).items():
            if node.mode != GITLINK:
                result.files[target + path[len(source) :]] = node


def _settle(result: Draft, lower: dict[bytes, bytes | None]) -> None:
    """Where a directory now lies over a file or a submodule of the base."""
    result.base.load(path.rpartition(b"/")[0] for path in (*lower, *result.files))
    result.seal()
    for directory in lower:
        before = result.base.get(directory)
        if before is None or before.mode == TREE:
            continue
        if before.mode != GITLINK:
            result.cleared.add(directory)
        elif result.is_directory(directory):
            raise refuse(directory, "a submodule's directory that is no longer empty", SUBMODULE)
        else:  # perhaps removed and made again: git sees the same empty directory
            result.files[directory] = before
    result.seal()


def mode_of(file: File) -> bytes:
    if isinstance(file, Node):
        return file.mode
    return LINK if file.kind == "link" else EXECUTABLE if file.executable else REGULAR


def check_twins(result: Draft) -> None:
    """Refuse a new name that some file systems cannot tell from one beside it.

    Raises:
        RefusedError: names both.
    """
    for directory, names in _fresh(result).items():
        taken: dict[str, list[bytes]] = defaultdict(list)
        for name in (*result.base.entries(directory), *(() if directory else COVERED)):
            taken[identity(name)].append(name)
        for name in sorted(names):
            for other in taken[identity(name)]:
                covered = not directory and other in COVERED
                if other != name and (covered or result.get(join(directory, other))):
                    raise refuse(join(directory, name), TWIN + encode_path(other), "rename it")
            taken[identity(name)].append(name)


def _fresh(result: Draft) -> Mapping[bytes, set[bytes]]:
    """Names the base does not have, by directory."""
    fresh: dict[bytes, set[bytes]] = defaultdict(set)
    for path in result.files:
        below = path
        while below and result.base.get(below) is None:
            below, _, name = below.rpartition(b"/")
            fresh[below].add(name)
    return fresh


def _above(path: bytes) -> Iterable[bytes]:
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path
