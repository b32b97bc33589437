"""SARIF 2.1.0: of a fire drill every attack a rule and every breach a result; of a run, findings.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html (read 2026-11)
"""

from __future__ import annotations

import hashlib
import json
from urllib.parse import quote

from runner import __version__
from runner.records.drill import Attempt, DrillReport
from runner.records.gate import Finding, GateReport
from runner.records.paths import decode_path
from runner.records.report import RunReport
from runner.report.codes import known
from runner.report.markdown import parted
from runner.report.sanitise import line, log_text

VERSION = "2.1.0"
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
POLICY = ".codex-runner.toml"
"""Where a repository mends what got through; viewers want a place in a file."""


def sarif(drill: DrillReport) -> str:
    """The log file's text. What was not tried makes the invocation unsuccessful, not a result."""
    breaches = drill.having("breached")
    rules = list({attempt.attack: attempt for attempt in drill.attempts}.values())
    index = {attempt.attack: number for number, attempt in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "codex-runner drill",
                "semanticVersion": drill.version,
                "rules": [_rule(attempt) for attempt in rules],
            }
        },
        "automationDetails": {"id": "codex-runner/drill/"},
        "versionControlProvenance": [
            {"repositoryUri": _uri(drill.repository), "revisionId": drill.base_commit}
        ],
        "invocations": [_invocation(drill)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(attempt, index[attempt.attack]) for attempt in breaches],
    }
    return _log(run)


def run_sarif(report: RunReport) -> str:
    """Of a run or a check: what refused is an error, what only warns a warning. A run that ended
    before its gates has an unsuccessful invocation, not an empty success."""
    found = [(gate, finding) for gate in report.gates for finding in gate.findings]
    codes = sorted({finding.code for _, finding in found})
    plan = report.plan
    driver = {
        "name": "codex-runner",
        "semanticVersion": plan.version if plan else __version__,
        "rules": [_code(code) for code in codes],
    }
    run: dict[str, object] = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"codex-runner/run/{report.run}"},
        "invocations": [_ending(report)],
        "columnKind": "unicodeCodePoints",
        "results": [_finding(gate, each, codes.index(each.code)) for gate, each in found],
    }
    return _log(run)


def _log(run: dict[str, object]) -> str:
    return json.dumps({"$schema": SCHEMA, "version": VERSION, "runs": [run]}, indent=2) + "\n"


def _code(code: str) -> dict[str, object]:
    told = known(code)
    return {
        "id": code,
        "shortDescription": {"text": told.means},
        "help": {"text": f"To pass: {told.change}"},
        "properties": {"tags": [code.partition(".")[0]]},
    }


def _finding(gate: GateReport, finding: Finding, index: int) -> dict[str, object]:
    _, why, output = parted(finding)
    refuses = gate.verdict == "refused" and not finding.is_warning
    text = f"{why}\n{output}\nTry: {finding.remedy}" if output else f"{why}\nTry: {finding.remedy}"
    place = _uri_of(finding.path) if finding.path else POLICY
    print_of = f"{finding.code} {finding.path or ''} {line(why, 300)}"
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": "error" if refuses else "warning",
        "message": {"text": log_text(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": place},
                    "region": {"startLine": max(finding.line or 1, 1)},
                }
            }
        ],
        "partialFingerprints": {"finding/v1": hashlib.sha256(print_of.encode()).hexdigest()},
        "properties": {
            "gate": finding.gate,
            "layer": line(finding.layer),
            "rule": line(finding.rule),
            "retryable": finding.retryable,
        },
    }


def _ending(report: RunReport) -> dict[str, object]:
    judged = report.conclusion in {"published", "judged", "audited", "refused"}
    ended: dict[str, object] = {
        "executionSuccessful": judged,
        "exitCode": report.exit_code,
        "startTimeUtc": f"{report.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "endTimeUtc": f"{report.finished_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    if not judged:
        why = report.problem.problem if report.problem else report.conclusion
        said = {"level": "error", "message": {"text": log_text(why)}}
        ended["toolExecutionNotifications"] = [said]
    return ended


def _uri_of(path: str) -> str:
    """A path of the repository as a relative URI; what is none (a reviewer's word) is not."""
    try:
        parts = decode_path(path).split(b"/")
    except ValueError:
        return POLICY
    inside = all(part not in {b"", b".", b".."} for part in parts)
    return "/".join(quote(part, safe="") for part in parts) if inside else POLICY


def _rule(attempt: Attempt) -> dict[str, object]:
    return {
        "id": attempt.attack,
        "shortDescription": {"text": attempt.about},
        "fullDescription": {"text": f"A scripted agent tries: {attempt.about}."},
        "help": {"text": f"When it gets through: {attempt.remedy}."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", attempt.attack.partition(".")[0]]},
    }


def _result(attempt: Attempt, index: int) -> dict[str, object]:
    message = f"Not stopped: {attempt.about}. {attempt.why}. Proof: {attempt.proof}"
    return {
        "ruleId": attempt.attack,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": log_text(message)},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": POLICY}, "region": {"startLine": 1}}}
        ],
        "partialFingerprints": {"attack/v1": attempt.attack},
    }


def _invocation(drill: DrillReport) -> dict[str, object]:
    missed = drill.having("not-tried")
    return {
        "executionSuccessful": not missed and bool(drill.having("stopped")),
        "exitCode": drill.exit_code,
        "startTimeUtc": f"{drill.started_at:%Y-%m-%dT%H:%M:%SZ}",
        "endTimeUtc": f"{drill.finished_at:%Y-%m-%dT%H:%M:%SZ}",
        "toolExecutionNotifications": [
            {
                "level": "error",
                "associatedRule": {"id": attempt.attack},
                "message": {"text": log_text(f"Not tried: {attempt.about}. {attempt.why}")},
            }
            for attempt in missed
        ],
    }


def _uri(repository: str) -> str:
    """A URL as it is, a path as a `file:` URL."""
    from pathlib import Path

    path = Path(repository)
    return path.as_uri() if path.is_absolute() else repository
