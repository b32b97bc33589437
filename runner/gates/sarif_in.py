"""What analysers print, read strictly: SARIF 2.1.0, and the JSON of three that have none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from runner.records.sandbox import WORK
from runner.records.static import FILES, Level

MOST = 10_000
"""Results of one analyser."""
_LEVELS: Mapping[object, Level] = {"error": "error", "warning": "warning", "note": "note"}


@dataclass(frozen=True, slots=True)
class Result:
    """One thing an analyser has to say."""

    rule: str
    level: Level
    file: str
    """By the name it was given."""
    line: int
    """0 = none was told."""
    text: str
    is_security: bool = False


class UnreadableError(ValueError):
    """`str(error)` says what is wrong."""


def sarif(output: bytes) -> list[Result]:
    """Raises UnreadableError: not SARIF, too much of it, or the analyser says that it failed."""
    document = _object(_json(output), "the document")
    runs = _list(document.get("runs"), "runs")
    if not runs:
        raise UnreadableError("no run in it")
    found = [result for run in runs for result in _run(_object(run, "a run"))]
    return _bounded(found)


def bandit(output: bytes) -> list[Result]:
    """`bandit -f json`."""
    document = _object(_json(output), "the document")
    if document.get("errors"):
        raise UnreadableError("it could not read every file")
    levels: Mapping[object, Level] = {"HIGH": "error", "MEDIUM": "warning"}
    return _bounded(
        Result(
            _text(row.get("test_id")), levels.get(row.get("issue_severity"), "note"),
            _name(row.get("filename")), _number(row.get("line_number")),
            _text(row.get("issue_text")), True,
        )
        for row in _rows(document.get("results"))
    )  # fmt: skip


def shellcheck(output: bytes) -> list[Result]:
    """`shellcheck -f json1`."""
    document = _object(_json(output), "the document")
    return _bounded(
        Result(
            f"SC{_number(row.get('code'))}", _LEVELS.get(row.get("level"), "note"),
            _name(row.get("file")), _number(row.get("line")), _text(row.get("message")),
        )
        for row in _rows(document.get("comments"))
    )  # fmt: skip


def eslint(output: bytes) -> list[Result]:
    """`eslint -f json`, once a line."""
    files = [file for line in output.splitlines() if line for file in _rows(_json(line))]
    if not files:
        raise UnreadableError("no file in it")
    levels: Mapping[object, Level] = {2: "error"}
    return _bounded(
        Result(
            _text(row.get("ruleId")) or "syntax", levels.get(row.get("severity"), "warning"),
            _name(file.get("filePath")), _number(row.get("line")), _text(row.get("message")),
        )
        for file in files
        for row in _rows(file.get("messages"))
    )  # fmt: skip


def _run(run: Mapping[str, object]) -> Iterator[Result]:
    for each in _rows(run.get("invocations", [])):
        if each.get("executionSuccessful") is False:
            raise UnreadableError("it says that it failed")
    driver = _object(_object(run.get("tool"), "tool").get("driver"), "driver")
    rules = {_text(rule.get("id")): rule for rule in _rows(driver.get("rules", []))}
    for row in _rows(run.get("results")):
        if row.get("kind", "fail") in {"pass", "notApplicable", "informational"}:
            continue
        name = _text(row.get("ruleId")) or _text(_maybe(row.get("rule")).get("id"))
        rule = rules.get(name, {})
        level = row.get("level") or _maybe(rule.get("defaultConfiguration")).get("level")
        places = _rows(row.get("locations", []))
        place = _maybe(places[0].get("physicalLocation")) if places else {}
        yield Result(
            name or "unnamed",
            "note" if level == "none" else _LEVELS.get(level, "warning"),
            _name(_maybe(place.get("artifactLocation")).get("uri")),
            _number(_maybe(place.get("region")).get("startLine")),
            _text(_maybe(row.get("message")).get("text")),
            any(_is_security(_maybe(part.get("properties"))) for part in (row, rule)),
        )


def _is_security(properties: Mapping[str, object]) -> bool:
    tags = properties.get("tags")
    return "security-severity" in properties or (isinstance(tags, list) and "security" in tags)


def _name(uri: object) -> str:
    """`file:///tmp/files/0001/a.py` -> `0001/a.py`."""
    path = unquote(_text(uri).removeprefix("file://"))
    for root in (FILES, WORK):
        path = path.removeprefix(f"{root}/")
    return path.removeprefix("./")


def _json(output: bytes) -> object:
    try:
        return json.loads(output)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not JSON") from error


def _bounded(found: Iterator[Result] | list[Result]) -> list[Result]:
    results = []
    for result in found:
        results.append(result)
        if len(results) > MOST:
            raise UnreadableError(f"more than {MOST} results")
    return results


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UnreadableError(f"{what} is no object")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise UnreadableError(f"{what} is no list")
    return value


def _rows(value: object) -> list[Mapping[str, object]]:
    return [_object(each, "a row") for each in _list(value, "a table")]


def _maybe(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 10**9 else 0
