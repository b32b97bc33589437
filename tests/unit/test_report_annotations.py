"""Findings as workflow commands: each one line, and only ours."""

from __future__ import annotations

import pytest

from runner.records.gate import Finding, GateReport
from runner.records.report import Problem, RunReport
from runner.report.annotations import MOST, commands
from tests.unit.test_report_markdown import make_report

EVIL = "x\n::error title=evil::y\r\n##[command]z\u2028::stop-commands::t %0A::warning::100%, a:b"


def report(*findings: Finding, verdict: str = "refused") -> RunReport:
    gate = GateReport.model_validate(
        {"gate": "paths", "verdict": verdict, "summary": "", "findings": findings}
    )
    return make_report().model_copy(update={"gates": (gate,), "problem": None})


def finding(**more: object) -> Finding:
    given = {"gate": "paths", "code": "paths.protected", "why": "is", "remedy": "mend", **more}
    return Finding.model_validate(given)


def test_a_refusal_is_an_error_at_its_line() -> None:
    (row,) = commands(report(finding(path="src/a.py", line=3)))
    assert row == "::error file=src/a.py,title=paths.protected,line=3::is - try: mend"


def test_warnings_warn() -> None:
    rows = [*commands(report(finding(why="warning: perhaps"), finding()))]
    assert [row.split(" ")[0] for row in rows] == ["::error", "::warning"]
    assert [row[:9] for row in commands(report(finding(), verdict="passed"))] == ["::warning"]


@pytest.mark.parametrize("field", ["why", "remedy", "path", "code"])
def test_no_text_of_anybody_leaves_its_place(field: str) -> None:
    (row,) = commands(report(finding(**{field: EVIL})))
    assert len(row.splitlines()) == 1 and row.startswith("::error ")
    properties, _, message = row.removeprefix("::error ").partition("::")
    names = [given.partition("=")[0] for given in properties.split(",")]
    assert set(names) <= {"file", "title", "line"} and len(set(names)) == len(names)
    for text in (properties, message):
        unescaped = text.replace("%0A", "\n").replace("%0D", "\r").replace("%3A", ":")
        starts = [line.lstrip()[:3] for line in unescaped.split("\n")[1:]]
        assert not any(start.startswith(("::", "##[")) for start in starts), unescaped


def test_the_rest_is_counted() -> None:
    found = report(*(finding(path=f"f{n}") for n in range(25)))
    rows = [*commands(found, " --state /s")]
    assert len(rows) == MOST and "16 more" in rows[-1]
    assert rows[-1].endswith(f"codex-runner explain {found.run} --state /s")


def test_a_run_without_findings_tells_its_problem() -> None:
    ended = report(verdict="passed").model_copy(
        update={"problem": Problem(problem=EVIL, remedy="wait"), "conclusion": "budget"}
    )
    (row,) = commands(ended)
    assert row.startswith("::error title=codex-runner budget::x") and "\n" not in row
