"""What a run of the tests left behind: tracked files it changed, and how much it covered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.case import TestRun
from runner.gates.coverage import Reached, reached
from runner.gates.reference import Doubt
from runner.ports import Case
from runner.records.results import Baseline

MISSED = 10


def tree(case: Case, run: TestRun, base: Baseline | None) -> Iterator[Doubt]:
    """A file of the change that the tests rewrite is not the one they tested. What they rewrite on
    the base too is their habit, and other files may be: formatters, snapshots."""
    strict = case.plan.rigour.strict
    changed = {change.path for change in case.patch.changes}
    for path in run.tree_changed:
        usual = base is not None and path in base.tree_changed
        yield Doubt(
            "tree-changed",
            f"the test command wrote {path} while it ran",
            "tests that write tracked files may test something else than what is published",
            path,
            warning=not strict and (usual or path not in changed),
        )
    if run.tree_unread:
        usual = base is None or bool(base.tree_unread)
        yield Doubt(
            "tree-unread",
            f"what the test command changed cannot be told: {run.tree_unread}",
            "let the tests keep such files outside the repository, e.g. in /tmp",
            warning=not strict and usual,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """In words, and what is wrong with it."""

    said: str = ""
    doubts: tuple[Doubt, ...] = ()


def coverage(case: Case, run: TestRun) -> Coverage:
    """Of the changed lines; empty when the policy names no file."""
    file, floor = case.plan.rigour.coverage_file, case.plan.rigour.coverage
    if file is None:
        return Coverage()
    data = None if _stale(case, run, file) else run.files.get(file)
    found = None if data is None else reached(case.diff(), data)
    if found is None:
        what = "cannot be read" if data is not None else "was not written by the test command"
        why = Doubt(
            "coverage-missing",
            f"{file} {what}",
            "let the test command write coverage.py's or Cobertura's XML, or lcov's format, there",
            file,
            warning=floor is None,
        )
        return Coverage("", (why,))
    said = (
        f"{found.covered} of {found.total} changed lines covered ({found.per_cent} %)"
        if found.total
        else "no changed line can be executed"
    )
    if floor is None or found.per_cent >= floor:
        return Coverage(said)
    return Coverage(said, (_below(found, floor, said),))


def _stale(case: Case, run: TestRun, file: str) -> bool:
    """A tracked file that the command left alone tells of another run, if of any."""
    deleted = any(each.path == file and each.new_oid is None for each in case.patch.changes)
    added = any(each.path == file and each.new_oid is not None for each in case.patch.changes)
    tracked = added or (case.at_base(file) and not deleted)
    return tracked and file not in run.tree_changed


def _below(found: Reached, floor: int, said: str) -> Doubt:
    places = ", ".join(f"{path}:{number}" for path, number in found.missed[:MISSED])
    more = f" and {len(found.missed) - MISSED} more" if len(found.missed) > MISSED else ""
    return Doubt(
        "coverage",
        f"{said}, {floor} % are asked for; not covered: {places}{more}",
        "add tests that reach these lines",
        found.missed[0][0],
    )
