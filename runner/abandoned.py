"""The evidence of a run whose runner was killed: sealed by whoever finds it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from runner.errors import InfraError, RunnerError
from runner.ledger import recording
from runner.ledger.folder import OWNER, PLAN, REPORT, SO_FAR, STORY, RunFolder
from runner.ledger.recording import UNRECORDED
from runner.records.plan import Plan
from runner.records.report import Problem, RunReport
from runner.report.saved import read_report


def seal(folder: RunFolder) -> None:
    """Report and receipt of a run that has none; what it wrote before is vouched for with them.

    A report without a receipt is the dead runner's last word: it is signed as it is. What the
    ledger could not be told then, it is told now.

    Raises:
        RunnerError: the state directory cannot be written, or the signing key is not usable.
    """
    from runner.ledger.ledger import has_ledger

    folder.tidy()
    if folder.condition() != "sealed":
        folder.seal(_last_word(folder) or _report(folder))
        return
    report = _last_word(folder)
    if report is not None:
        if (folder.path / UNRECORDED).exists() and has_ledger(folder.state):
            recording.finish(folder, report, None)
        if folder.tell is not None and not (folder.path / STORY).exists():
            folder.write(STORY, folder.tell(report).encode(errors="backslashreplace"))


def _last_word(folder: RunFolder) -> RunReport | None:
    content = folder.read(REPORT)
    with suppress(RunnerError):
        report = None if content is None else read_report(content, REPORT)
        return report if report is not None and report.run == folder.run else None
    return None


def _report(folder: RunFolder) -> RunReport:
    plan = plan_of(folder)
    began, last_sign = _times(folder)
    remedy = f"codex-runner resume {folder.run}, if it kept a patch, or run the task again"
    if plan is not None and plan.remote is not None:
        remedy += f"; the branch {plan.branch} may have been pushed to {plan.remote}: look there"
    kept = _so_far(folder)
    return RunReport(
        run=folder.run,
        conclusion="abandoned",
        exit_code=InfraError.exit_code,
        started_at=began,
        finished_at=last_sign,
        plan=plan,
        setup=kept.setup if kept else None,
        attempts=kept.attempts if kept else (),
        agent=kept.agent if kept else None,
        patch=kept.patch if kept else None,
        problem=Problem(
            problem="the runner was killed, or its machine went down, before the run had ended",
            remedy=remedy,
        ),
    )


def _so_far(folder: RunFolder) -> RunReport | None:
    """What it had come to when its patch was measured, unless that may have been published."""
    content = folder.read(SO_FAR)
    with suppress(RunnerError):
        report = read_report(content, SO_FAR) if content else None
        return report if report is not None and report.run == folder.run else None
    return None


def plan_of(folder: RunFolder) -> Plan | None:
    """As it was written before the agent began; None = the run did not come that far."""
    with suppress(ValueError, RunnerError):
        plan = Plan.model_validate_json(folder.read(PLAN) or b"")
        return plan if plan.run == folder.run else None
    return None


def _times(folder: RunFolder) -> tuple[datetime, datetime]:
    """When its owner was written, and when anything was written for the last time."""
    written = {path.name: path.lstat().st_mtime for path in folder.path.iterdir()}
    last = max(written.values(), default=folder.path.stat().st_mtime)
    began = written.get(OWNER, last)
    return datetime.fromtimestamp(min(began, last), UTC), datetime.fromtimestamp(last, UTC)
