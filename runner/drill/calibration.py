"""Labelled patches put to a review gate, and what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from runner.drill.labelled import Labelled
from runner.drill.shelf import FILES
from runner.errors import InfraError
from runner.process import clean_env, run
from runner.records.calibration import Judged, Outcome
from runner.records.gate import GateReport

_IDENTITY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "Drill" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "drill@example.invalid" for who in ("AUTHOR", "COMMITTER")},
}


def lay_out(repository: Path) -> None:
    """The project the patches change, in a repository of its own. Raises InfraError."""
    for name, text in FILES.items():
        file = repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    commit = ("commit", "-q", "-m", "A small lending library")
    for words in (("init", "-q", "--initial-branch=main"), ("add", "--all"), commit):
        done = run(["git", *words], cwd=repository, env=clean_env(_IDENTITY))
        if done.code:
            raise InfraError(f"git {words[0]} failed: {done.error()}", f"look at {repository}")


def replay(chosen: Iterable[Labelled], gate: Callable[[Labelled], GateReport]) -> Iterator[Judged]:
    """Raises whatever `gate` raises: one that cannot decide ends it."""
    for one in chosen:
        yield judged(one, gate(one))


def judged(one: Labelled, report: GateReport) -> Judged:
    first = report.findings[0] if report.findings else None
    return Judged(
        name=one.name,
        kind=one.kind,
        bad=one.bad,
        outcome=_outcome(report),
        code="" if first is None else first.code,
        why=report.summary,
    )


def _outcome(report: GateReport) -> Outcome:
    if report.verdict == "passed":
        return "approved"
    rejected = any(finding.code == "review.rejected" for finding in report.findings)
    return "rejected" if rejected else "undecided"
