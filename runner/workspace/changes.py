"""What differs between two trees, as records and as a patch. Renames are two changes."""

from __future__ import annotations

from runner.errors import RefusedError
from runner.records.base import Oid
from runner.records.patch import Change, Status
from runner.records.paths import encode_path
from runner.workspace.git import Git
from runner.workspace.trees import read_sizes

DIFF = ("diff-tree", "-r", "--no-renames", "--full-index", "--no-ext-diff", "--no-textconv")
MAX_DIFF_BYTES = 64 * 1024 * 1024
STATUS: dict[bytes, Status] = {
    b"A": "added",
    b"M": "modified",
    b"D": "deleted",
    b"T": "type-changed",
}
SUBMODULE = b"160000"


def changes(git: Git, old: Oid, new: Oid) -> tuple[Change, ...]:
    """Every changed path, sorted by its bytes; sizes are of the new content."""
    output = git.run(*DIFF, "-z", "--raw", "--numstat", "--no-abbrev", old, new)
    fields = iter(output.split(b"\0"))
    raw: list[tuple[bytes, list[bytes]]] = []
    counts: dict[bytes, tuple[bytes, bytes]] = {}
    for field in fields:
        if field.startswith(b":"):
            raw.append((next(fields), field[1:].split(b" ")))
        elif field:
            added, deleted, path = field.split(b"\t", 2)
            counts[path] = (added, deleted)
    sizes = read_sizes(
        git, {Oid(columns[3].decode()) for _, columns in raw if _has_content(columns)}
    )
    return tuple(_change(path, columns, counts, sizes) for path, columns in sorted(raw))


def diff(git: Git, old: Oid, new: Oid) -> bytes:
    """A patch that `git apply` takes, at most 64 MiB.

    Raises:
        RefusedError: it is larger.
    """
    found = bytearray()

    def take(chunk: bytes) -> bool:
        found.extend(chunk)
        return len(found) <= MAX_DIFF_BYTES

    if not git.chunks(*DIFF, "-p", "--binary", old, new, take=take):
        raise RefusedError(
            f"the diff of the change is larger than {MAX_DIFF_BYTES >> 20} MiB",
            "split the task, or keep large files out of the repository",
        )
    return bytes(found)


def _change(
    path: bytes,
    columns: list[bytes],
    counts: dict[bytes, tuple[bytes, bytes]],
    sizes: dict[Oid, int],
) -> Change:
    old_mode, new_mode, old_oid, new_oid, status = (column.decode() for column in columns)
    added, deleted = counts[path]
    binary = added == b"-"
    return Change(
        path=encode_path(path),
        status=STATUS[status[:1].encode()],
        old_mode=old_mode,
        new_mode=new_mode,
        old_oid=_oid(old_oid),
        new_oid=_oid(new_oid),
        added=0 if binary else int(added),
        deleted=0 if binary else int(deleted),
        binary=binary,
        size_bytes=sizes.get(Oid(new_oid), 0),
    )


def _oid(text: str) -> Oid | None:
    return Oid(text) if text.strip("0") else None


def _has_content(columns: list[bytes]) -> bool:
    return columns[1] != SUBMODULE and bool(columns[3].strip(b"0"))
