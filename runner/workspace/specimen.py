"""A small repository out of texts: a commit, and a tree that a change of it makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.records.base import Oid
from runner.workspace.git import Git, disk_errors
from runner.workspace.store import lay

BRANCH = "refs/heads/main"
CHANGE = "refs/heads/change"
_COMMITTER = b"committer codex-runner <codex-runner@localhost> 0 +0000\ndata 0\n"

Files = Mapping[str, bytes | None]
"""By path; None = it is not there."""


@disk_errors()
def make_specimen(place: Path, before: Files, after: Files) -> Oid:
    """A bare repository at `place`, whose HEAD has `before`; the tree it has when every file of
    `after` is as it says.

    Raises:
        InfraError: git takes such a path for none, e.g. below `.git`.
    """
    git: Git = lay(place, sha256=False, files={"HEAD": f"ref: {BRANCH}\n".encode()})
    script = b"".join((*_commit(BRANCH, before), *_commit(CHANGE, after, BRANCH), b"done\n"))
    git.run("fast-import", "--quiet", "--done", stdin=script)
    return Oid(git.run("rev-parse", f"{CHANGE}^{{tree}}").decode().strip())


def _commit(ref: str, files: Files, parent: str = "") -> Iterator[bytes]:
    """Commands of git-fast-import(1); names are quoted, contents are counted."""
    yield b"commit %s\n%s" % (ref.encode(), _COMMITTER)
    if parent:
        yield b"from %s\n" % parent.encode()
    for path, data in files.items():
        if data is None:
            yield b"D %s\n" % _quoted(path)
        else:
            yield b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(data), data)


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"%s"' % escaped.encode(errors="surrogateescape")
