"""How strictly the tests gate judges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runner.records.base import Record
from runner.records.merge import AnyTrue, Least, Most, Upper, until

MOST_RETRIES = 5


class Rigour(Record):
    """`[tests]` of all layers, decided."""

    baseline: Annotated[bool | None, Upper()] = None
    """The tests are run on the base too (once, then it is remembered). None = what was executed
    there must still be executed; True = and what failed there may still fail; False = not run."""
    retries: Annotated[int, until("repository", Least)] = Field(default=1, ge=0, le=MOST_RETRIES)
    """How often a failure is tried again before it counts."""
    strict: Annotated[bool, AnyTrue] = False
    """Flaky tests, a base that cannot be tested and changed tracked files refuse as well."""
    coverage: Annotated[int | None, Most] = Field(default=None, ge=0, le=100)
    """Per cent of the changed lines that must be covered; None = it is only told."""
    coverage_file: Annotated[str | None, Upper()] = None
    """Where the test command leaves it, in the tree: Cobertura's XML or lcov's."""
