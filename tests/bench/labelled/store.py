"""One repository that holds every release and every change as two commits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.records.base import Oid
from tests.bench.big_repository import WHO, git
from tests.bench.labelled.diff import Diff, Edits, Tree

GITLINK = "160000"
ALL_NAMES = ("-c", "core.protectHFS=false", "-c", "core.protectNTFS=false")
"""A bad change may have any name a tree can have."""


@dataclass(frozen=True, slots=True)
class Commits:
    """Where a change begins and ends."""

    base: Oid
    change: Oid
    tree: Oid


@dataclass(frozen=True, slots=True)
class Counts:
    """One file of a difference as git counts it."""

    lines: int
    is_binary: bool


class Store:
    """`Store(directory)` makes it; releases first, changes afterwards."""

    def __init__(self, path: Path) -> None:
        self.path = path
        git(path.parent, "init", "-q", "-b", "main", str(path))

    def releases(self, trees: Mapping[str, Tree]) -> None:
        self._import(
            row
            for name, tree in trees.items()
            for row in _commit(f"refs/releases/{name}", name, "", tree)
        )

    def first(self) -> Oid:
        """Any release."""
        return Oid(git(self.path, "for-each-ref", "--count=1", "--format=%(objectname)").strip())

    def changes(self, diffs: Iterable[Diff]) -> Mapping[str, Commits]:
        """By the id of the change."""
        numbered = dict(enumerate(diffs))
        self._import(row for number, diff in numbered.items() for row in _diff(number, diff))
        listed = git(
            self.path, "for-each-ref", "--format=%(refname) %(objectname) %(tree)", "refs/changes"
        )
        known = {
            name: (Oid(commit), Oid(tree))
            for name, commit, tree in map(str.split, listed.splitlines())
        }
        return {
            diff.id: Commits(known[f"{_ref(number)}/base"][0], *known[f"{_ref(number)}/change"])
            for number, diff in numbered.items()
        }

    def counts(self, old: str, new: str) -> Mapping[str, Counts]:
        """What differs between two releases."""
        between = (f"refs/releases/{old}", f"refs/releases/{new}")
        told = git(self.path, "diff-tree", "-r", "-z", "--numstat", "--no-renames", *between)
        found = {}
        for row in filter(None, told.split("\0")):
            added, deleted, path = row.split("\t", 2)
            binary = added == "-"
            found[path] = Counts(0 if binary else int(added) + int(deleted), binary)
        return found

    def _import(self, rows: Iterable[bytes]) -> None:
        git(self.path, *ALL_NAMES, "fast-import", "--quiet", stdin=b"".join(rows))


def _ref(number: int) -> str:
    return f"refs/changes/{number}"


def _diff(number: int, diff: Diff) -> Iterator[bytes]:
    base = f"refs/releases/{diff.release}"
    yield from _commit(f"{_ref(number)}/base", "base", base, diff.before)
    yield from _commit(f"{_ref(number)}/change", "change", f"{_ref(number)}/base", diff.edits)


def _commit(ref: str, text: str, parent: str, edits: Edits) -> Iterator[bytes]:
    said = text.encode()
    yield b"commit %s\ncommitter %s\ndata %d\n%s\n" % (ref.encode(), WHO, len(said), said)
    if parent:
        yield b"from %s\n" % parent.encode()
    for path, entry in sorted(edits.items(), key=lambda item: item[1] is not None):
        name = _quoted(path)
        if entry is None:
            yield b"D %s\n" % name
        elif entry.mode == GITLINK:
            yield b"M 160000 %s %s\n" % (entry.data, name)
        else:
            mode, size = entry.mode.encode(), len(entry.data)
            yield b"M %s inline %s\ndata %d\n%s\n" % (mode, name, size, entry.data)


def _quoted(path: str) -> bytes:
    """As fast-import reads every byte."""
    raw = path.encode(errors="surrogateescape")
    return b'"' + b"".join(b"\\%03o" % byte for byte in raw) + b'"'
