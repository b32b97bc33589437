"""How strictly the tests gate judges."""

from __future__ import annotations

from pydantic import Field

from runner.records.base import Record

MOST_RETRIES = 5


class Rigour(Record):
    """`[tests]` of the repository's policy and of the task, decided."""

    baseline: bool | None = None
    """The tests are run on the base too (once, then it is remembered). None = what was executed
    there must still be executed; True = and what failed there may still fail; False = not run."""
    retries: int = Field(default=1, ge=0, le=MOST_RETRIES)
    """How often a failure is tried again before it counts."""
    strict: bool = False
    """Flaky tests, a base that cannot be tested and changed tracked files refuse as well."""
    coverage: int | None = Field(default=None, ge=0, le=100)
    """Per cent of the changed lines that must be covered; None = it is only told."""
    coverage_file: str | None = None
    """Where the test command leaves it, in the tree: Cobertura's XML or lcov's."""


class RigourAsked(Record):
    """`[tests]` as one layer wrote it; None = it does not say."""

    baseline: bool | None = None
    retries: int | None = None
    strict: bool | None = None
    coverage: int | None = None
    coverage_file: str | None = None
