"""A drill as SARIF 2.1.0, against the part of the standard's schema that it uses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from runner.records.gate import Finding
from runner.report.sarif import run_sarif, sarif
from tests.drills import drill_of
from tests.unit.test_report_markdown import make_report

TEXT = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": {"type": "string", "minLength": 1}},
    "additionalProperties": False,
}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
PLACE = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation", "region"],
            "properties": {
                "artifactLocation": {
                    "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                    "additionalProperties": False,
                },
                "region": {"properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}
RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "help"],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": TEXT,
        "defaultConfiguration": {"properties": {"level": LEVEL}, "additionalProperties": False},
        "properties": {"type": "object", "properties": {"tags": {"type": "array"}}},
    },
    "additionalProperties": False,
}
RESULT = {
    "type": "object",
    "required": ["message", "ruleId", "locations"],
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": PLACE, "minItems": 1},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "properties": {"type": "object"},
    },
    "additionalProperties": False,
}
NOTIFICATION = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "level": LEVEL,
        "message": TEXT,
        "associatedRule": {"type": "object", "required": ["id"]},
    },
    "additionalProperties": False,
}
UTC = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}
INVOCATION = {
    "type": "object",
    "required": ["executionSuccessful"],
    "properties": {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "startTimeUtc": UTC,
        "endTimeUtc": UTC,
        "toolExecutionNotifications": {"type": "array", "items": NOTIFICATION},
    },
    "additionalProperties": False,
}
RUN = {
    "type": "object",
    "required": ["tool"],
    "properties": {
        "tool": {
            "type": "object",
            "required": ["driver"],
            "properties": {
                "driver": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "items": RULE, "uniqueItems": True},
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "automationDetails": {"type": "object", "required": ["id"]},
        "versionControlProvenance": {
            "type": "array",
            "items": {
                "required": ["repositoryUri"],
                "properties": {
                    "repositoryUri": {"type": "string", "pattern": r"^[a-z]+:\S+$"},
                    "revisionId": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "invocations": {"type": "array", "items": INVOCATION},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "results": {"type": "array", "items": RESULT},
    },
    "additionalProperties": False,
}
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN},
    },
    "additionalProperties": False,
}


def written(text: str) -> dict[str, Any]:
    log: dict[str, Any] = json.loads(text)
    jsonschema.validate(log, SARIF)
    (run,) = log["runs"]
    return dict(run)


def test_every_breach_is_an_error() -> None:
    run = written(sarif(drill_of("stopped", "breached", "breached", "not-applicable")))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [
        *("paths.workflow", "secrets.split", "tests.weakened", "review.gullible")
    ]
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == [
        ("secrets.split", "error"),
        ("tests.weakened", "error"),
    ]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert "\x1b" not in result["message"]["text"]
    assert run["invocations"][0]["executionSuccessful"]


def test_what_was_not_tried_is_no_success() -> None:
    run = written(sarif(drill_of("stopped", "not-tried")))
    assert not run["results"]
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"] and invocation["exitCode"] == 3
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["associatedRule"]["id"] == "secrets.split"


def test_an_empty_drill() -> None:
    run = written(sarif(drill_of()))
    assert not run["results"] and not run["invocations"][0]["executionSuccessful"]


def finding(**more: object) -> Finding:
    given = {"gate": "paths", "code": "paths.protected", "why": "w", "remedy": "r", **more}
    return Finding.model_validate(given)


def results(*findings: Finding, verdict: str = "refused") -> list[dict[str, Any]]:
    report = make_report()
    gates = report.gates[0].model_copy(update={"verdict": verdict, "findings": findings})
    run = written(run_sarif(report.model_copy(update={"gates": (gates,)})))
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert all(ids[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    return list(run["results"])


def test_what_refuses_is_an_error_and_the_rest_warns() -> None:
    found = (finding(), finding(code="secrets.new-kind", why="warning: perhaps"))
    assert [each["level"] for each in results(*found)] == ["error", "warning"]
    assert [each["level"] for each in results(*found, verdict="passed")] == ["warning", "warning"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("src/a b.py", "src/a%20b.py"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ('"caf\\351"', "caf%E9"),
        ("../../etc/passwd", ".codex-runner.toml"),
        ("/etc/passwd", ".codex-runner.toml"),
        ('"broken', ".codex-runner.toml"),
        (None, ".codex-runner.toml"),
    ],
)
def test_places_are_relative_and_inside(path: str | None, uri: str) -> None:
    (result,) = results(finding(path=path, line=0, why="x\x1b[2J\n::error::y"))
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == uri and place["region"]["startLine"] == 1
    assert "\x1b" not in result["message"]["text"] and "\n::" not in result["message"]["text"]


def test_a_run_that_was_not_judged_is_no_success() -> None:
    report = make_report().model_copy(update={"conclusion": "budget", "exit_code": 5, "gates": ()})
    (invocation,) = written(run_sarif(report))["invocations"]
    assert not invocation["executionSuccessful"] and invocation["toolExecutionNotifications"]
