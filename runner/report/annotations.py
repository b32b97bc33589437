"""Findings as workflow commands of GitHub Actions: `::error file=src/a.py,line=3,title=...::why`.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions (read 2026-11)
1. A value cannot leave its place: `%`, line ends, and in properties `:` and `,` are escaped.
2. Text that somebody else wrote is sanitised before that, so it starts no command of its own.
3. Only the product's own gates and the words `error`, `warning` stand in front of the second `::`.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.records.gate import Finding, GateReport
from runner.records.report import RunReport
from runner.report.markdown import parted
from runner.report.sanitise import line, log_text

MOST = 10
"""GitHub shows ten errors and ten warnings of a step."""
_WHY_CHARS = 2000


def commands(report: RunReport, where: str = "") -> Iterator[str]:
    """One line each, refusals first; what was left out is counted in the last.

    `where`: what a command that looks at runs has to say besides, such as ` --state DIR`.
    """
    refusals = list(_findings(report, refused=True))
    warnings = list(_findings(report, refused=False))
    for kind, findings in (("error", refusals), ("warning", warnings)):
        shown = findings if len(findings) <= MOST else findings[: MOST - 1]
        yield from (_annotation(kind, finding) for finding in shown)
        if more := len(findings) - len(shown):
            remedy = _value(f"codex-runner explain {report.run}{where}")
            yield f"::{kind} title=codex-runner::{more} more: {remedy}"
    if not refusals and report.problem is not None:
        said = f"{report.problem.problem}\ntry: {report.problem.remedy}"
        yield f"::error title=codex-runner {report.conclusion}::{_value(said)}"


def _findings(report: RunReport, *, refused: bool) -> Iterator[Finding]:
    for gate in report.gates:
        yield from (each for each in gate.findings if _refuses(gate, each) == refused)


def _refuses(gate: GateReport, finding: Finding) -> bool:
    return gate.verdict == "refused" and not finding.is_warning


def _annotation(kind: str, finding: Finding) -> str:
    _, why, _ = parted(finding)
    properties = {"title": finding.code}
    if finding.path:
        properties = {"file": finding.path, **properties}
        if finding.line is not None:
            properties["line"] = str(finding.line)
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {given}::{_value(f'{why} - try: {finding.remedy}')}"


def _value(text: str) -> str:
    escaped = log_text(text, limit=_WHY_CHARS).replace("%", "%25")
    return escaped.replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _value(line(text, 1000)).replace(":", "%3A").replace(",", "%2C")
