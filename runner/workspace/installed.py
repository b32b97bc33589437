"""What a setup's commands left in their workspace, as a layer to lie over the base.

It is as hostile as an agent's: dependencies ran their own programs. So
1. the walk refuses what must not exist (special files, `.git` look-alikes, setuid, too many);
2. nothing at a path of the base is taken, nor below one of its files: the base's own shows;
3. only what the base's `.gitignore` ignores is taken: anything else would instruct the agent and
   steer the tests, outside of every patch; names that do so count only in an ignored directory;
4. every file is written anew: plain modes, one owner, no attribute of any overlay, no hard link;
5. a credential that is found in it, literally, ends the run: the agent would read it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runner.errors import RefusedError
from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.records.sandbox import Overlay
from runner.records.setup import Wanted
from runner.workspace import ignore
from runner.workspace.draft import Draft, File, draft, mode_of
from runner.workspace.git import Git
from runner.workspace.names import identity
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
NOT_IGNORED = "not ignored: add it to .gitignore"
STEERS = "its name instructs the agent or steers tests: install into an ignored directory"
_STEERS = re.compile(
    r"(agents|claude|gemini)\b.*\.md|\.git.*|\.codex.*|\.agents|\.claude|conftest\.py|\.?pytest\.ini"
    r"|tox\.ini|setup\.cfg|pyproject\.toml|noxfile\.py|(site|user)customize\.py|package\.json"
    r"|makefile|\w+\.config\.\w+|__pycache__|.*\.py[co]"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """What came out."""

    files: int
    size_bytes: int
    tracked: tuple[str, ...]
    """Paths of the base that were changed or removed. The first hundred."""
    dropped: tuple[str, ...]
    """The same, then what may not be kept, each with the reason. The first hundred."""


@dataclass(frozen=True, slots=True)
class _Law:
    """What the base's `.gitignore` files say; directories end with a slash."""

    ignored: set[bytes]

    def against(self, path: bytes) -> str | None:
        """Why a path that the base does not have cannot be kept; None = it can."""
        above = [each for each in ancestry(path.rstrip(b"/"))[1:] if each != path]
        top = next((each for each in above if each + b"/" in self.ignored), None)
        if top is None and path not in self.ignored:
            return NOT_IGNORED
        names = (path if top is None else top).split(b"/")
        return STEERS if any(_STEERS.fullmatch(identity(name)) for name in names) else None


def write_installed(
    git: Git, overlay: Overlay, start: Oid, base: Oid, layer: Path, wanted: Wanted
) -> Installed:
    """`start` is the tree the overlay lay over, `base` the one the layer is for.

    Raises:
        RefusedError: names the path that cannot be kept.
    """
    trees = Trees(git, base)
    try:
        entries = list(walk(overlay.upper, overlay.attributes))
        result = draft(entries, Trees(git, start))
        trees.load({path.rpartition(b"/")[0] for path in (*result.files, *result.cleared)})
        fresh = {
            path
            for path, file in result.files.items()
            if is_free(trees, path) and mode_of(file) != GITLINK
        }
        empty = {each.path + b"/" for each in entries if each.kind == "directory"}
        law = _law(git, trees, fresh | empty, overlay.upper.with_name("ignore"))
    except RefusedError as error:
        why = error.problem.removeprefix("the change holds ")
        raise RefusedError(f"the setup left {why}", WHOSE) from error
    for path in (*(each.path for each in entries), *result.files):
        _check(path, path, wanted)
    files = {path: result.files[path] for path in fresh if law.against(path) is None}
    lost = _lost(fresh - files.keys(), files, trees, law)
    if lost and not files:
        why = f"the setup left nothing that can be kept: {', '.join(lost[:3])}"
        raise RefusedError(why, "let it install into a directory that .gitignore ignores")
    layer.mkdir()
    for path in empty:
        if is_free(trees, path[:-1]) and law.against(path) is None:
            os.makedirs(_below(layer, path[:-1]), exist_ok=True)
    size_bytes = _write(git, overlay.upper, layer, files, wanted)
    tracked = _tracked(result, trees)
    return Installed(len(files), size_bytes, tracked, (*tracked, *lost)[:MAX_DROPPED])


def patterns(git: Git, tree: Oid) -> str:
    """Digest of a tree's `.gitignore` files: a layer is made under them."""
    digest = hashlib.sha256()

    def each(record: bytes) -> bool:
        if record.rpartition(b"\t")[2].rpartition(b"/")[2] == ignore.NAME:
            digest.update(record + b"\0")
        return True

    git.records("ls-tree", "-r", "-z", "--full-tree", tree, each=each)
    return digest.hexdigest()


def _law(git: Git, trees: Trees, paths: set[bytes], scratch: Path) -> _Law:
    def read(path: bytes) -> bytes | None:
        node = trees.get(path)
        return read_objects(git, {node.oid})[node.oid] if node and node.regular else None

    above = {each + b"/" for path in paths for each in ancestry(path.rstrip(b"/"))[1:-1]}
    return _Law(ignore.ignored(git, paths | above, read, scratch))


def _lost(paths: set[bytes], kept: Iterable[bytes], trees: Trees, law: _Law) -> tuple[str, ...]:
    """Each once, with the reason: whole directories where nothing in them is kept."""
    shared = {above for path in kept for above in ancestry(path)[:-1]}
    found: dict[str, None] = {}
    for path in sorted(paths):
        why = law.against(path)
        above = [each for each in ancestry(path)[1:-1] if each not in shared]
        alike = (each for each in above if law.against(each + b"/") == why)
        top = next((each for each in alike if is_free(trees, each)), None)
        name = encode_path(path) if top is None else encode_path(top) + "/"
        found[f"{name} ({why})"] = None
    return tuple(found)


def _tracked(result: Draft, trees: Trees) -> tuple[str, ...]:
    gone = {path for path in result.cleared if result.base.get(path) is not None}
    changed = {path for path in result.files.keys() | gone if not is_free(trees, path)}
    return tuple(encode_path(path) for path in sorted(changed)[:MAX_DROPPED])


def is_free(trees: Trees, path: bytes) -> bool:
    """Whether the base has nothing at `path`, and no file above it."""
    for above in ancestry(path)[1:]:
        node = trees.get(above)
        if node is None:
            return True
        if node.mode != TREE:
            return False
    return False


def is_tree(trees: Trees, path: bytes) -> bool:
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
        for secret in wanted.held:
            path = path.replace(secret, b"[credential]")
        raise RefusedError(
            f"the setup left a credential in {encode_path(path)}: the agent would read it",
            "let the command take it from its environment and write it nowhere",
        )


def _below(layer: Path, path: bytes) -> bytes:
    return join(os.fsencode(layer), path)
