"""The upper directory of a dead sandbox -> one tree and one commit in the private store.

1. The walk refuses what must not exist; nothing of the sandbox is running any more.
2. Git trees, not lower directories, say what was there before.
3. Content is hashed raw into the store: no filter, attribute, hook or stat cache takes part.
4. Everything later speaks of the one tree id that comes out.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.records.base import Oid
from runner.records.sandbox import Overlay
from runner.workspace import ignore
from runner.workspace.draft import Draft, check_twins, draft, mode_of
from runner.workspace.git import Git
from runner.workspace.law import check_links
from runner.workspace.pack import PackWriter
from runner.workspace.trees import TREE, Node, Trees, read_objects
from runner.workspace.walk import Found, opened_file, refuse, walk

MAX_FILE_BYTES = 100 * 1024 * 1024
MAX_TOTAL_BYTES = 512 * 1024 * 1024
IDENTITY = b"codex-runner <codex-runner@localhost>"


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came out."""

    commit: Oid
    tree: Oid
    ignored: int
    """Files that `.gitignore` left out."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """One upper directory over one start tree."""

    git: Git
    overlay: Overlay
    start: Oid
    """The tree the overlay lies over."""
    links: Mapping[bytes, bytes]
    """Links of the start tree with `..` in their target."""
    scratch: Path
    """A directory that does not exist yet."""

    def commit(self, parent: Oid, message: str) -> Ingested:
        """One commit on `parent`.

        Raises:
            RefusedError: an entry that must not exist, named by its path.
        """
        result = draft(
            walk(self.overlay.upper, self.overlay.attributes), Trees(self.git, self.start)
        )
        self._leave_out_ignored(result)
        check_twins(result)
        check_links(self.git, self.links, result)
        content = self._store(result)
        lines = _script(result, content, parent, self.start, message)
        output = self.git.run("fast-import", "--quiet", "--done", stdin=b"".join(lines)).decode()
        _, _, tree, commit = output.split()
        return Ingested(Oid(commit), Oid(tree), result.ignored)

    def _leave_out_ignored(self, result: Draft) -> None:
        """New files only: what the start tree has stays tracked whatever the patterns say."""
        fresh = []
        for path in result.files:
            before = result.base.get(path)
            if before is None or before.mode == TREE:
                fresh.append(path)
        if not fresh:
            return
        for path in ignore.ignored(
            self.git, fresh, lambda path: self._read(result, path), self.scratch
        ):
            result.drop(path)
            result.ignored += 1
        result.seal()

    def _read(self, result: Draft, path: bytes) -> bytes | None:
        """A small regular file of the resulting tree."""
        file = result.get(path)
        if isinstance(file, Node):
            return read_objects(self.git, {file.oid})[file.oid] if file.regular else None
        if file is None or file.kind != "file":
            return None
        with (
            opened_file(self.overlay.upper, file) as handle,
            open(handle, "rb", closefd=False) as f,
        ):
            return f.read(ignore.MAX_BYTES + 1)

    def _store(self, result: Draft) -> dict[bytes, Oid]:
        """Object ids of `result.files`, all in the store.

        Raises:
            RefusedError: too many bytes.
        """
        content = {path: file.oid for path, file in result.files.items() if isinstance(file, Node)}
        written = {path: file for path, file in result.files.items() if isinstance(file, Found)}
        _check_sizes(written)
        if not written:
            return content
        place = self.git.directory / "objects" / "pack" / f"pack-{time.time_ns()}.pack"
        with place.open("xb") as out:
            pack = PackWriter(out, len(written), "sha256" if len(self.start) == 64 else "sha1")
            for path, found in written.items():
                content[path] = self._blob(pack, found)
            pack.finish(self.git)
        return content

    def _blob(self, pack: PackWriter, found: Found) -> Oid:
        if found.kind == "link":
            return pack.add(found.target, len(found.target))
        with opened_file(self.overlay.upper, found) as handle:
            return pack.add(handle, found.size)


def _check_sizes(written: Mapping[bytes, Found]) -> None:
    total = 0
    for path, found in written.items():
        total += found.size
        if found.size > MAX_FILE_BYTES:
            raise refuse(path, f"larger than {MAX_FILE_BYTES} bytes")
        if total > MAX_TOTAL_BYTES:
            raise refuse(path, f"more than {MAX_TOTAL_BYTES} bytes with the files before it")


def _script(
    result: Draft, content: Mapping[bytes, Oid], parent: Oid, start: Oid, message: str
) -> Iterator[bytes]:
    """Commands of git-fast-import(1); names and message are quoted or counted data."""
    text = message.replace("\0", "").encode(errors="replace")
    yield b"feature done\ncommit refs/ingest/%d\nmark :1\n" % time.time_ns()
    yield b"committer %s %d +0000\n" % (IDENTITY, time.time())
    yield b"data %d\n%s\nfrom %s\n" % (len(text), text, parent.encode())
    yield b'M 040000 %s ""\n' % start.encode()
    for path in sorted(result.cleared):
        yield b"D %s\n" % _quoted(path)
    for path, file in sorted(result.files.items(), key=lambda item: item[0]):
        yield b"M %s %s %s\n" % (mode_of(file), content[path].encode(), _quoted(path))
    yield b'ls ""\n\nget-mark :1\ndone\n'


def _quoted(path: bytes) -> bytes:
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
