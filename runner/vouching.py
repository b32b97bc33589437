"""What an ended run says of itself, believed only as far as its receipt vouches for it."""

from __future__ import annotations

from runner.errors import ConfigError, RefusedError
from runner.ledger.folder import REPORT, RunFolder
from runner.ledger.keyring import local_ring
from runner.ledger.receipt import Standing, examine
from runner.records.report import RunReport
from runner.report.saved import read_report


def require_vouched(folder: RunFolder, standing: Standing, remedy: str) -> None:
    """Raises RefusedError: no valid receipt, or what it signs was changed."""
    if not standing.good:
        what = standing.why or f"changed since it was signed: {', '.join(standing.mismatches)}"
        raise RefusedError(f"the receipt of {folder.run} does not vouch for it: {what}", remedy)


def vouched_report(folder: RunFolder) -> RunReport:
    """
    Raises:
        ConfigError: it has not ended.
        RefusedError: its receipt does not vouch for it.
        InfraError: it cannot be read, e.g. because another version wrote it.
    """
    name = folder.run
    if (condition := folder.condition()) != "sealed":
        remedy = "wait for its end" if condition == "running" else "codex-runner sweep"
        raise ConfigError(f"run {name} is {condition}", remedy)
    standing = examine(folder, local_ring(folder.state))
    require_vouched(folder, standing, "run the task again: nothing of it can be believed")
    return read_report(folder.read(REPORT) or b"", f"{REPORT} of run {name}")
