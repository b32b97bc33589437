"""The `[tests]` tables: how strictly the tests gate judges."""

from __future__ import annotations

from collections.abc import Iterator

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.toml import Table
from runner.records.rigour import MOST_RETRIES, Rigour, RigourAsked


def read_tests(table: Table) -> RigourAsked:
    """Raises ConfigError naming source, line and key."""
    table.closed(RigourAsked.model_fields)
    return RigourAsked(
        baseline=table.flag("baseline"),
        retries=_at_most(table, "retries", MOST_RETRIES),
        strict=table.flag("strict"),
        coverage=_at_most(table, "coverage", 100),
        coverage_file=table.string("coverage_file", names.path),
    )


def _at_most(table: Table, key: str, most: int) -> int | None:
    value = table.whole(key, 0)
    if value is not None and value > most:
        raise table.fail(key, "is too large", f"use {most} or less, or leave it out")
    return value


def decide_tests(repo: RigourAsked, task: RigourAsked, *, own_command: bool) -> Rigour:
    """The task only tightens what the repository says. `own_command`: the test command is not the
    task's, so it cannot do without the reference either.

    Raises ConfigError: a floor for coverage and no file it is told in.
    """
    baseline = repo.baseline
    if baseline is None and not (own_command and task.baseline is False):
        baseline = task.baseline
    retries = repo.retries if repo.retries is not None else Rigour().retries
    coverage_file = repo.coverage_file or task.coverage_file
    floors = [asked.coverage for asked in (repo, task) if asked.coverage is not None]
    if floors and coverage_file is None:
        raise ConfigError(
            "tests.coverage: a floor, and no file that tells the coverage",
            'add coverage_file = "coverage.xml" under [tests]',
        )
    return Rigour(
        baseline=baseline,
        retries=retries if task.retries is None else min(retries, task.retries),
        strict=bool(repo.strict or task.strict),
        coverage=max(floors, default=None),
        coverage_file=coverage_file,
    )


def not_heeded(asked: RigourAsked, decided: Rigour) -> Iterator[str]:
    """A note for everything the task asks for and does not get."""
    for key in ("baseline", "retries", "coverage_file"):
        wanted, has = getattr(asked, key), getattr(decided, key)
        if wanted is not None and wanted != has:
            yield f"tests.{key}: the task's {wanted} is not used; the repository's policy decides"
