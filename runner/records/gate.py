"""Verdicts of the gates, as values."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.records.base import Record

Verdict = Literal["passed", "refused", "waived", "not-run"]


class Finding(Record):
    """One reason, addressed to the person or agent who has to act on it."""

    gate: str
    code: str
    """Stable and greppable, e.g. `paths.protected`."""
    path: str | None = None
    line: int | None = None
    why: str
    """Never contains the secret itself."""
    remedy: str
    retryable: bool = False
    """Another attempt of the agent could mend it."""
    rule: str = ""
    """What of the policy asks for it: `limits.lines`, `protected **/.git*/`, `paths`, `test`."""
    layer: str = ""
    """Who set that rule, and where: `.codex-runner.toml, line 4`, `built-in`; filled in later."""

    @property
    def is_warning(self) -> bool:
        """It refuses nothing by itself."""
        return self.why.startswith("warning")


class GateReport(Record):
    """One gate's answer about one tree id. 'Could not decide' is not an answer but an error."""

    gate: str
    verdict: Verdict
    summary: str
    """One line, e.g. `3 files, 12 lines`."""
    findings: tuple[Finding, ...] = ()
    duration_ms: int = 0
    evidence: dict[str, str] = Field(default_factory=dict)
    """Facts worth signing, e.g. exit code, model, digest of the log."""
