"""Gate `static`: only what is new counts; what did not run, or cannot be read, is said."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from runner.gates import static
from runner.gates.sarif_in import UnreadableError, bandit, eslint, sarif, shellcheck
from runner.records.gate import GateReport
from runner.records.sandbox import Exit
from runner.records.static import Analysed, Analyser, Analysis, StaticRules
from tests.fakes import NOTHING_THERE, CaseBuilder, Tree, ended

BAD = b"eval(input())\n"
FINE = b"print(1)\n"


def document(*results: Mapping[str, object], **more: object) -> bytes:
    run = {"tool": {"driver": {"name": "t"}}, "results": [*results], **more}
    return json.dumps({"version": "2.1.0", "runs": [run]}).encode()


def row(file: str, line: int, rule: str = "S307", level: str = "error") -> dict[str, object]:
    place = {
        "artifactLocation": {"uri": f"file:///tmp/files/{file}"},
        "region": {"startLine": line},
    }
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": "do not"},
        "locations": [{"physicalLocation": place}],
    }


def looking_for(word: bytes, rule: str = "S307", level: str = "error") -> Analyses:
    """An analyser: every line with this word is a finding."""

    def analyse(analysis: Analysis) -> Analysed:
        if not analysis.command.startswith("ruff"):
            return NOTHING_THERE
        rows = [
            row(name, number, rule, level)
            for name, data in analysis.files.items()
            for number, text in enumerate(data.split(b"\n"), 1)
            if word in text
        ]
        return Analysed(ended(0), document(*rows))

    return Analyses(analyse)


class Analyses:
    """Remembers what it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.heard: list[Analysis] = []

    def __call__(self, analysis: Analysis) -> Analysed:
        self.heard.append(analysis)
        assert callable(self.answer)
        answer = self.answer(analysis)
        assert isinstance(answer, Analysed)
        return answer


def judge(old: Tree, new: Tree, analyse: Analyses, rules: StaticRules | None = None) -> GateReport:
    return static.check(
        CaseBuilder(old=old, new=new, analyse=analyse, static=rules or StaticRules()).case()
    )


def printing(output: bytes, end: Exit | None = None) -> Analyses:
    return Analyses(lambda analysis: Analysed(end or ended(0), output))


def test_a_new_finding_refuses() -> None:
    report = judge({}, {"src/a.py": FINE + BAD}, looking_for(b"eval"))
    assert report.verdict == "refused"
    [finding] = report.findings
    assert (finding.path, finding.line, finding.code) == ("src/a.py", 2, "static.ruff")
    assert finding.why == "src/a.py:2: do not (ruff S307)"
    assert "ruff: 1 files, 1 new" in report.summary and "not run: bandit" in report.summary


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"a.py": BAD}, {"a.py": FINE * 9 + b"  " + BAD}),
        ({"a.py": BAD}, {"b.py": BAD}),
        ({"a.py": BAD * 2}, {"a.py": BAD, "b.py": BAD}),
    ],
)
def test_what_the_base_had_is_not_new(old: Tree, new: Tree) -> None:
    """Another line, another indentation, another file."""
    assert judge(old, new, looking_for(b"eval")).verdict == "passed"


def test_one_more_of_the_same_is_new() -> None:
    report = judge({"a.py": BAD}, {"a.py": BAD * 2}, looking_for(b"eval"))
    assert report.verdict == "refused"


def test_the_base_is_not_asked_when_nothing_was_found() -> None:
    analyse = looking_for(b"nothing")
    assert judge({"a.py": BAD}, {"a.py": FINE}, analyse).verdict == "passed"
    assert len([each for each in analyse.heard if "ruff" in each.command]) == 1


@pytest.mark.parametrize(
    ("rule", "level", "refuse", "verdict"),
    [
        ("S307", "error", "security", "refused"),
        ("S105", "error", "security", "passed"),
        ("F821", "error", "security", "passed"),
        ("F821", "error", "error", "refused"),
        ("B006", "error", "error", "passed"),
        ("B006", "error", "warning", "refused"),
        ("PLE2502", "error", "security", "refused"),
        ("F401", "note", "warning", "passed"),
        ("F401", "note", "note", "refused"),
    ],
)
def test_the_policy_says_from_when_on(rule: str, level: str, refuse: str, verdict: str) -> None:
    rules = StaticRules.model_validate({"refuse": refuse})
    report = judge({}, {"a.py": BAD}, looking_for(b"eval", rule, level), rules)
    assert report.verdict == verdict
    assert report.findings[0].is_warning is (verdict == "passed")


def test_nobody_there_is_waived_in_the_open() -> None:
    report = judge({}, {"a.py": FINE}, Analyses(lambda _: NOTHING_THERE))
    assert report.verdict == "waived"
    [finding] = report.findings
    assert finding.code == "static.not-run" and "ruff, bandit" in finding.why


def test_a_required_one_that_is_not_there_refuses() -> None:
    for name in ("ruff", "no-such-thing"):
        report = judge(
            {}, {"a.py": FINE}, Analyses(lambda _: NOTHING_THERE), StaticRules(require=(name,))
        )
        assert report.verdict == "refused"
        assert "static.absent" in {each.code for each in report.findings}


def test_nothing_to_read_is_passed() -> None:
    report = judge({}, {"a.txt": b"x"}, Analyses(lambda _: NOTHING_THERE))
    assert (report.verdict, report.summary) == ("passed", "no file of a kind the analysers read")


@pytest.mark.parametrize(
    "end",
    [
        Exit(code=2, duration_ms=1),
        Exit(code=139, duration_ms=1),
        Exit(code=None, stopped="wall-clock", duration_ms=1),
        Exit(code=None, stopped="output", duration_ms=1),
    ],
)
def test_one_that_fails_refuses(end: Exit) -> None:
    report = judge({}, {"a.py": FINE}, printing(document(), end))
    assert report.verdict == "refused"
    assert {each.code for each in report.findings} == {"static.failed"}


BROKEN = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b"[" * 200_000,
    "another shape": b"[]",
    "no runs": b'{"runs": []}',
    "runs of another shape": b'{"runs": {}}',
    "a run of another shape": b'{"runs": [1]}',
    "no driver": b'{"runs": [{"tool": {}, "results": []}]}',
    "no results": b'{"runs": [{"tool": {"driver": {}}}]}',
    "failed": document(invocations=[{"executionSuccessful": False}]),
    "too many": document(*[row("0001/a.py", 1)] * 10_001),
    "twice, in words": document() + document(),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_sarif_refuses(name: str) -> None:
    with pytest.raises(UnreadableError):
        sarif(BROKEN[name])


def test_odd_results_are_read_as_far_as_they_go() -> None:
    odd = {"ruleId": 7, "level": "dreadful", "locations": [{"physicalLocation": 3}]}
    rules = [
        {
            "id": "r",
            "defaultConfiguration": {"level": "error"},
            "properties": {"tags": ["security"]},
        }
    ]
    driver = {"driver": {"name": "t", "rules": rules}}
    first, second, third = sarif(
        document(
            odd,
            {"ruleId": "r"},
            {"ruleId": "q", "level": "none"},
            {"ruleId": "p", "kind": "pass"},
            tool=driver,
        )
    )
    assert (first.rule, first.level, first.line, first.file) == ("unnamed", "warning", 0, "")
    assert (second.level, second.is_security) == ("error", True)
    assert third.level == "note"


def test_three_that_have_no_sarif() -> None:
    told = {"test_id": "B1", "issue_severity": "HIGH", "filename": "./x", "line_number": 3}
    assert bandit(json.dumps({"errors": [], "results": [told]}).encode())[0].level == "error"
    with pytest.raises(UnreadableError):
        bandit(b'{"errors": [{"filename": "x"}], "results": []}')
    comment = {"code": 2086, "level": "style", "file": "x", "line": 1, "message": "m"}
    assert shellcheck(json.dumps({"comments": [comment]}).encode())[0].rule == "SC2086"
    message = {"ruleId": "no-eval", "severity": 2, "line": 1, "message": "m"}
    rows = json.dumps([{"filePath": "/work/a.js", "messages": [message]}]).encode() + b"\n"
    assert [each.file for each in eslint(rows * 2)] == ["a.js", "a.js"]
    with pytest.raises(UnreadableError):
        eslint(b"\n")


def test_names_are_the_runners_own() -> None:
    """No name of a file is an option, leaves its place or hides its content from an analyser."""
    analyse = looking_for(b"eval")
    names = ("--config=x.py", "build/.venv/a.py", "b\nc.py", "node_modules/x.py", "d/\udcff.py")
    report = judge({}, dict.fromkeys(names, BAD), analyse)
    assert len([each for each in report.findings if each.code == "static.ruff"]) == len(names)
    asked = next(each for each in analyse.heard if "ruff" in each.command)
    assert [*asked.files] == [
        "0001/file.py",
        "0002/file.py",
        "0003/a.py",
        "0004/file.py",
        "0005/x.py",
    ]


def test_scripts_without_a_telling_name() -> None:
    analyse = looking_for(b"eval")
    assert judge({}, {"bin/x": b"#!/usr/bin/env python3\n" + BAD}, analyse).verdict == "refused"
    assert judge({}, {"bin/x": b"#!/bin/cat\n" + BAD}, analyse).verdict == "passed"


def test_a_policys_analyser_sees_the_base_with_the_changed_files_of_its_kind() -> None:
    rules = StaticRules(analysers=(Analyser(name="own", command="lint --sarif", paths=("*.q",)),))
    analyse = printing(document({**row("", 1), "properties": {"tags": ["security"]}}))
    report = judge({}, {"a.q": BAD, "lint.conf": b"off"}, analyse, rules)
    assert report.verdict == "refused"
    [asked] = analyse.heard
    assert (asked.place, dict(asked.files), asked.tool) == ("over", {"./a.q": BAD}, None)


def test_a_name_that_cannot_be_an_argument_is_told() -> None:
    rules = StaticRules(analysers=(Analyser(name="own", command="lint", paths=("*.q",)),))
    report = judge({}, {"a\n.q": BAD}, printing(document()), rules)
    assert report.verdict == "waived"


@pytest.mark.parametrize(
    "comment",
    [
        b"x = 1  # noqa: S307",
        b"x = 1  # nosec",
        b"x = 1  # type: ignore[arg-type]",
        b"# ruff: noqa",
        b"# pragma: no cover",
        b"// eslint-disable-next-line",
        b"// @ts-ignore",
        b"# shellcheck disable=SC2086",
        b"#[allow(dead_code)]",
    ],
)
def test_new_comments_that_silence_analysers_are_told(comment: bytes) -> None:
    none = Analyses(lambda _: NOTHING_THERE)
    report = judge({"a.txt": b"\n"}, {"a.txt": b"\n" + comment + b"\n"}, none)
    [finding] = report.findings
    assert (finding.code, finding.line, finding.is_warning) == ("static.suppression", 2, True)
    assert judge({"a.txt": comment}, {"b.txt": b"\n  " + comment}, none).findings == ()


def test_comments_that_cannot_be_switched_off_are_taken_out() -> None:
    analyse = Analyses(lambda _: NOTHING_THERE)
    judge({}, {"a.sh": b"# shellcheck disable=all\n"}, analyse)
    [asked] = analyse.heard
    assert b"shellcheck" not in asked.files["0001/a.sh"]


@pytest.mark.parametrize(
    "data",
    [
        b"# coding: utf-7\n" + FINE,
        b"# -*- coding: latin-1 -*-\n" + FINE,
        b"#!/bin/x\n# coding: raw_unicode_escape\n" + FINE,
        b"# coding: nothing-known\n" + FINE,
        b"# caf\xe9\n" + FINE,
        FINE + b"\0",
    ],
)
def test_python_that_readers_read_differently_is_refused(data: bytes) -> None:
    report = judge({}, {"a.py": data}, looking_for(b"eval"))
    assert report.verdict == "refused"
    assert [each.code for each in report.findings if not each.is_warning] == ["static.encoding"]


@pytest.mark.parametrize(
    "data", [FINE, b"# coding: utf-8\n", b"\xef\xbb\xbf" + FINE, b"# \xc3\xa9\n"]
)
def test_python_in_utf8_is_not(data: bytes) -> None:
    assert judge({}, {"a.py": data}, looking_for(b"eval")).verdict != "refused"


def test_what_an_analyser_says_it_could_not_read_is_not_read() -> None:
    end = ended(0).model_copy(update={"stderr_tail": "warning: Failed to read a.py: bad bytes"})
    report = judge({}, {"a.py": FINE}, printing(document(), end))
    assert report.verdict == "refused"
    assert "static.failed" in {each.code for each in report.findings}
