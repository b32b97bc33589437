"""What a setup's commands left in their workspace, as a layer to lie over the base.

It is as hostile as an agent's: dependencies ran their own programs. So
1. the walk refuses what must not exist (special files, `.git` look-alikes, setuid, too many);
2. nothing at a path of the base is taken, nor below one of its files: the base's own shows;
3. every file is written anew: plain modes, one owner, no attribute of any overlay, no hard link;
4. a credential that is found in it, literally, ends the run: the agent would read it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RefusedError
from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.records.sandbox import Overlay
from runner.records.setup import Wanted
from runner.workspace.draft import File, draft, mode_of
from runner.workspace.git import Git
from runner.workspace.trees import (
    EXECUTABLE,
    GITLINK,
    LINK,
    TREE,
    Node,
    Trees,
    ancestry,
    join,
    read_objects,
)
from runner.workspace.walk import Found, opened_file, walk

CHUNK_BYTES = 1024 * 1024
MAX_DROPPED = 100
WHOSE = "mend the setup commands in the repository's policy"


@dataclass(frozen=True, slots=True)
class Installed:
    """What came out."""

    files: int
    size_bytes: int
    dropped: tuple[str, ...]


def write_installed(
    git: Git, overlay: Overlay, start: Oid, base: Oid, layer: Path, wanted: Wanted
) -> Installed:
    """`start` is the tree the overlay lay over, `base` the one the layer is for.

    Raises:
        RefusedError: names the path that cannot be kept.
    """
    try:
        entries = list(walk(overlay.upper, overlay.attributes))
        result = draft(entries, Trees(git, start))
    except RefusedError as error:
        why = error.problem.removeprefix("the change holds ")
        raise RefusedError(f"the setup left {why}", WHOSE) from error
    trees = Trees(git, base)
    trees.load({path.rpartition(b"/")[0] for path in (*result.files, *result.cleared)})
    layer.mkdir()
    for each in entries:
        if each.kind == "directory" and (is_free(trees, each.path) or _is_tree(trees, each.path)):
            os.makedirs(_below(layer, each.path), exist_ok=True)
    files = {
        path: file
        for path, file in result.files.items()
        if is_free(trees, path) and mode_of(file) != GITLINK
    }
    size_bytes = _write(git, overlay.upper, layer, files, wanted)
    gone = {path for path in result.cleared if result.base.get(path) is not None}
    changed = {path for path in result.files.keys() | gone if not is_free(trees, path)}
    shown = tuple(encode_path(path) for path in sorted(changed)[:MAX_DROPPED])
    return Installed(len(files), size_bytes, shown)


def is_free(trees: Trees, path: bytes) -> bool:
    """Whether the base has nothing at `path`, and no file above it."""
    for above in ancestry(path)[1:]:
        node = trees.get(above)
        if node is None:
            return True
        if node.mode != TREE:
            return False
    return False


def _is_tree(trees: Trees, path: bytes) -> bool:
    node = trees.get(path)
    return node is not None and node.mode == TREE


def _write(git: Git, upper: Path, layer: Path, files: dict[bytes, File], wanted: Wanted) -> int:
    """Links last: until then there is none in `layer` to be led by."""
    moved = {file.oid for file in files.values() if isinstance(file, Node)}
    blobs = read_objects(git, moved)
    links: dict[bytes, bytes] = {}
    size_bytes = 0
    for path, file in files.items():
        target = _below(layer, path)
        _check(path, path, wanted)
        if mode_of(file) == LINK:
            links[target] = blobs[file.oid] if isinstance(file, Node) else file.target
            _check(path, links[target], wanted)
            continue
        os.makedirs(target.rpartition(b"/")[0], exist_ok=True)
        size_bytes += len(blobs[file.oid]) if isinstance(file, Node) else file.size
        if size_bytes > wanted.most_bytes:
            raise RefusedError(
                f"the setup left more than {wanted.most_bytes >> 20} MiB in the workspace",
                "raise disk_mib under [limits] in config.toml, or install less",
            )
        if isinstance(file, Node):
            _store(target, mode_of(file), [blobs[file.oid]])
        else:
            _copy(upper, file, target, wanted)
    for place, where in links.items():
        os.makedirs(place.rpartition(b"/")[0], exist_ok=True)
        os.symlink(where, place)
    return size_bytes


def _copy(upper: Path, found: Found, target: bytes, wanted: Wanted) -> None:
    """Content and modification time: what was compiled from it is checked against both."""
    with opened_file(upper, found) as handle:
        _store(target, mode_of(found), _chunks(handle, found.path, wanted))
        at = os.fstat(handle).st_mtime_ns
    os.utime(target, ns=(at, at), follow_symlinks=False)


def _store(target: bytes, mode: bytes, chunks: Iterable[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(target, flags, 0o600), "wb") as file:
        file.writelines(chunks)
        os.fchmod(file.fileno(), 0o755 if mode == EXECUTABLE else 0o644)


def _chunks(handle: int, path: bytes, wanted: Wanted) -> Iterable[bytes]:
    overlap = max(map(len, wanted.held), default=1) - 1
    before = b""
    while chunk := os.read(handle, CHUNK_BYTES):
        _check(path, before + chunk, wanted)
        before = (before + chunk)[-overlap:] if overlap else b""
        yield chunk


def _check(path: bytes, data: bytes, wanted: Wanted) -> None:
    if any(secret in data for secret in wanted.held):
        raise RefusedError(
            f"the setup left a credential in {encode_path(path)}: the agent would read it",
            "let the command take it from its environment and write it nowhere",
        )


def _below(layer: Path, path: bytes) -> bytes:
    return join(os.fsencode(layer), path)
