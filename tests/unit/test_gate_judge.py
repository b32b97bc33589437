"""The loop: cheap gates together, costly ones in turn."""

from __future__ import annotations

from dataclasses import replace
from threading import Event

import pytest

from runner.errors import InfraError
from runner.gates.judge import judge
from runner.gates.secrets import ENTRIES
from runner.ports import TestRun, Trial
from runner.records.gate import GateReport
from runner.records.scan import Hit, Sample, Scanned
from runner.records.static import Analysed, Analysis
from tests.fakes import CaseBuilder, answered, ended, nothing_found

NAMES = [
    *("paths", "size", "tamper", "dependencies", "secrets", "class", "static", "tests", "review")
]


def found(sample: Sample, within_s: float) -> Scanned:
    return Scanned((Hit("github-pat", "certain", 1, 40, "0" * 12),))


def verdicts(reports: tuple[GateReport, ...]) -> dict[str, str]:
    return {report.gate: report.verdict for report in reports}


def test_all_cheap_refusals_come_together_and_nothing_costly_runs() -> None:
    builder = CaseBuilder(new={"a": b"\0"}, protected=("a",))
    heard: list[GateReport] = []
    reports = judge(builder.case(), heard.append, found)
    assert tuple(heard) == reports
    assert verdicts(reports) == {
        "paths": "refused",
        "size": "refused",
        "tamper": "passed",
        "dependencies": "passed",
        "secrets": "refused",
        "class": "passed",
        "static": "not-run",
        "tests": "not-run",
        "review": "not-run",
    }
    assert reports[6].summary == "not run: refused by paths, size, secrets"
    assert builder.asked == []


def test_no_review_of_a_change_that_fails_its_tests() -> None:
    builder = CaseBuilder(test_run=TestRun(exit=ended(1), tail=""))
    reports = judge(builder.case(), lambda _: None, nothing_found)
    assert verdicts(reports)["review"] == "not-run"
    assert "review" not in {kind for kind, _ in builder.asked}


def test_static_and_tests_are_asked_side_by_side() -> None:
    """Each is under way before the other ends."""
    analysing, testing = Event(), Event()
    case = CaseBuilder(new={"a.py": b"a = 1\n"}, review=answered("")).case()

    def analyse(analysis: Analysis) -> Analysed:
        analysing.set()
        assert testing.wait(60)
        return case.analyse(analysis)

    def test(trial: Trial) -> TestRun:
        testing.set()
        assert analysing.wait(60)
        return case.test(trial)

    reports = judge(replace(case, analyse=analyse, test=test), lambda _: None, nothing_found)
    assert [report.gate for report in reports] == NAMES


def test_waived_tests_do_not_waive_the_review() -> None:
    builder = CaseBuilder(test=None, review=answered(""))
    reports = judge(builder.case(), lambda _: None, nothing_found)
    assert [report.gate for report in reports] == NAMES
    assert [report.verdict for report in reports[7:]] == ["waived", "refused"]


def test_a_gate_that_cannot_decide_ends_the_run() -> None:
    builder = CaseBuilder(review=InfraError("no upstream", "wait"))
    heard: list[GateReport] = []
    with pytest.raises(InfraError):
        judge(builder.case(), heard.append, nothing_found)
    assert [report.gate for report in heard] == NAMES[:-1]


def test_a_change_beyond_all_bounds_is_not_looked_through() -> None:
    builder = CaseBuilder(new={f"d/{number}": b"x\n" for number in range(ENTRIES + 1)})
    reports = judge(builder.case(), lambda _: None, nothing_found)
    told = verdicts(reports)
    assert (told["size"], told["secrets"]) == ("refused", "refused")
    assert {told[name] for name in told.keys() - {"size", "secrets"}} == {"not-run"}
