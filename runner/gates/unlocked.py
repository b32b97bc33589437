"""Manifest and lockfile must tell the same: what was asked for is what is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from posixpath import dirname, join
from typing import Protocol

from runner.gates.dependency_diff import Differ, Trouble
from runner.gates.package_files import PAIRS, Format, format_of
from runner.gates.packages import Listing, Package, UnreadableError
from runner.gates.versions import satisfies
from runner.ports import Case

TOLD = 10


class File(Protocol):
    """A changed dependency file, read on both sides."""

    @property
    def path(self) -> str: ...
    @property
    def format(self) -> Format: ...
    @property
    def new(self) -> Listing: ...
    @property
    def differ(self) -> Differ: ...


def unlocked(
    case: Case, files: Sequence[File], mentioned: Callable[[str], bool]
) -> Iterator[Trouble]:
    """Raises InfraError: a blob cannot be read."""
    for file in files:
        if file.format.kind == "lock" and str(file.differ):
            yield from _alone(file, files, mentioned, case.plan.dependencies.allow)
    for manifest, lock, touched in _pairs(case, files):
        yield from _disagreements(manifest, lock, touched)


def _alone(
    lock: File, files: Sequence[File], mentioned: Callable[[str], bool], allow: tuple[str, ...]
) -> Iterator[Trouble]:
    """A lockfile that changed without a manifest, and the task names none of its packages."""
    home = dirname(lock.path)
    for other in files:
        same = other.format.ecosystem == lock.format.ecosystem and other.format.kind == "manifest"
        if same and (not home or other.path.startswith(f"{home}/")):
            return
    names = [*lock.differ.touched, *lock.differ.removed]
    if any(map(mentioned, names)):
        return
    rest = sorted({*names} - {*allow})
    subject = "" if rest else "\n".join(names)
    told = ", ".join(rest[:TOLD]) + (f" and {len(rest) - TOLD} more" if len(rest) > TOLD else "")
    what = f"it changed without its manifest, and the task names none of its packages: {told}"
    yield Trouble("lock-alone", lock.path, subject, what)


Pair = tuple[tuple[str, Listing], tuple[str, str, Listing], frozenset[str]]
"""Manifest; lockfile with its ecosystem; the names that this change touched in either."""


def _pairs(case: Case, files: Sequence[File]) -> Iterator[Pair]:
    """Every changed manifest with its lockfile, every changed lockfile with its manifest."""
    changed = {file.path: file for file in files}
    gone = {change.path for change in case.patch.changes if change.new_oid is None}
    seen: set[tuple[str, str]] = set()
    for file in files:
        for manifest, lock in _candidates(case, file, changed, gone):
            if (manifest, lock) in seen:
                continue
            seen.add((manifest, lock))
            sides = [_listing(case, path, changed) for path in (manifest, lock)]
            touched = frozenset[str]().union(
                *(changed[path].differ.touched for path in (manifest, lock) if path in changed)
            )
            if sides[0] is not None and sides[1] is not None:
                yield (manifest, sides[0]), (lock, file.format.ecosystem, sides[1]), touched


def _candidates(
    case: Case, file: File, changed: dict[str, File], gone: set[str]
) -> Iterator[tuple[str, str]]:
    def exists(path: str) -> bool:
        return path not in gone and (path in changed or case.at_base(path))

    if file.path.startswith('"'):  # quoted: what lies beside it is not spelled by joining
        return
    home, name = dirname(file.path), file.path.rpartition("/")[2]
    if name in PAIRS:  # the lockfile of a workspace may be above
        above = [home]
        while above[-1]:
            above.append(dirname(above[-1]))
        for lock in PAIRS[name]:
            found = next((join(place, lock) for place in above if exists(join(place, lock))), None)
            if found is not None:
                yield file.path, found
    for manifest, locks in PAIRS.items():
        if name in locks and exists(join(home, manifest)):
            yield join(home, manifest), file.path


def _listing(case: Case, path: str, changed: dict[str, File]) -> Listing | None:
    """None = it cannot be read, which the gate says elsewhere if this change did it."""
    if path in changed:
        return changed[path].new
    data, format = case.base_blob(path), format_of(path)
    if data is None or format is None:
        return None
    try:
        return format.read(data)
    except UnreadableError:
        return None


def _disagreements(
    manifest: tuple[str, Listing], lock: tuple[str, str, Listing], touched: frozenset[str]
) -> Iterator[Trouble]:
    path, ecosystem, listing = lock
    locked: dict[str, list[Package]] = {}
    for package in listing.packages:
        locked.setdefault(package.name, []).append(package)
    for wanted in manifest[1].packages:
        if wanted.name not in touched or wanted.source or not wanted.is_locked:
            continue
        found = locked.get(wanted.name, [])
        if not found:
            what = f"{wanted.name} of {manifest[0]} is not in it"
            yield Trouble("not-locked", path, wanted.name, what)
            continue
        verdicts = [_fits(ecosystem, each.version, wanted) for each in found if not each.source]
        have = ", ".join(each.version for each in found[:TOLD])
        if verdicts and not any(verdict is not False for verdict in verdicts):
            what = f"{wanted.name} {have} does not fit {wanted.version} of {manifest[0]}"
            yield Trouble("mismatch", path, wanted.name, what)
        elif None in verdicts and True not in verdicts:
            what = f"nobody can tell whether {wanted.name} {have} fits {wanted.version}"
            yield Trouble("unjudged", path, wanted.name, what, only_a_warning=True)


def _fits(ecosystem: str, version: str, wanted: Package) -> bool | None:
    if wanted.is_exact:
        return (
            satisfies(ecosystem, version, f"=={wanted.version}")
            if ecosystem == "PyPI"
            else (version == wanted.version)
        )
    return satisfies(ecosystem, version, wanted.version)
