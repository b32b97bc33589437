"""A report that waits for a person, and what that person has said since."""

from __future__ import annotations

from pathlib import Path

from runner.cli.ending import placed, state_words
from runner.records.report import RunReport


def with_answer(report: RunReport, state: Path) -> RunReport:
    """The same, whose remedy is what is left to do now; its receipt knows only what was then."""
    if report.conclusion != "needs-approval" or report.problem is None:
        return report
    remedy = _since(report, state)
    if not remedy:
        return report
    problem = report.problem.model_copy(update={"remedy": placed(remedy, state_words(state))})
    return report.model_copy(update={"problem": problem})


def _since(report: RunReport, state: Path) -> str:
    """Empty = it still waits, or may be asked for again."""
    from runner import approving

    for old, later in approving.published(state):
        if old == report.run:
            return f"it was let out since: codex-runner show {later}"
    requests = approving.queue_at(state).requests(everything=True)
    if any((asked.run, where) == (report.run, "denied") for asked, where in requests):
        return "it was denied since, for good: run the task again; codex-runner approvals list"
    return ""
