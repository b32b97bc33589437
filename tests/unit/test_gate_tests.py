"""Gate `tests`: exit code and stops decide; output can only make it worse."""

from __future__ import annotations

import pytest

from runner.gates import tests
from runner.ports import TestRun
from runner.records.gate import GateReport
from runner.records.sandbox import Exit
from tests.fakes import CaseBuilder, ended


def check(exit_: Exit, tail: str = "", command: str = "pytest", *changed: str) -> GateReport:
    run = TestRun(exit=exit_, tail=tail, tree_changed=changed)
    return tests.check(CaseBuilder(test=command, test_run=run).case())


def test_exit_zero_passes_with_its_evidence() -> None:
    report = check(ended(0), "1 passed")
    assert report.verdict == "passed"
    assert report.findings == ()
    assert report.evidence == {
        "command": "pytest",
        "exit_code": "0",
        "stopped": "",
        "duration_ms": "10",
    }


def test_waived_without_a_command_and_nothing_runs() -> None:
    builder = CaseBuilder(test=None)
    assert tests.check(builder.case()).verdict == "waived"
    assert builder.asked == []


@pytest.mark.parametrize(
    ("exit_", "tail", "code"),
    [
        (ended(1), "10 passed", "tests.failed"),
        (ended(137, out_of_memory=True), "", "tests.failed"),
        (ended(None), "", "tests.failed"),
        (ended(0, stopped="wall-clock"), "10 passed", "tests.timeout"),
        (ended(None, stopped="idle"), "", "tests.timeout"),
        (ended(None, stopped="output"), "", "tests.failed"),
        (ended(None, stopped="halted"), "", "tests.failed"),
        (ended(5), "no tests ran in 0.01s", "tests.none"),
        (ended(0), "\nRan 0 tests in 0.000s\n\nOK\n", "tests.none"),
        (ended(5), "\nRan 0 tests in 0.000s\n\nNO TESTS RAN\n", "tests.none"),
    ],
)
def test_refusals(exit_: Exit, tail: str, code: str) -> None:
    report = check(exit_, tail)
    assert report.verdict == "refused"
    assert [finding.code for finding in report.findings] == [code]
    assert report.findings[0].retryable


@pytest.mark.parametrize(
    ("exit_", "limit"),
    [
        (ended(None, stopped="wall-clock"), "raise tests_s under [limits]"),
        (ended(None, stopped="output"), "raise output_mib under [limits]"),
        (ended(137, out_of_memory=True), "raise memory_mib under [limits]"),
        (ended(1), "without weakening the tests"),
    ],
)
def test_what_ran_out_is_named_by_its_key(exit_: Exit, limit: str) -> None:
    assert limit in check(exit_).findings[0].remedy


def test_a_nested_run_of_no_tests_is_not_the_last_word() -> None:
    assert check(ended(0), "Ran 0 tests in 0.1s\nRan 12 tests in 0.3s\nOK").verdict == "passed"


def test_the_tail_is_shown_capped_and_harmless() -> None:
    why = check(ended(1), "x" * 9000 + "\x1b]52;c;AAAA\x07\u202eend").findings[0].why
    assert len(why) < 4200
    assert "\x1b" not in why and "\u202e" not in why
    assert why.endswith("\\u202eend")


def test_changed_files_are_a_warning() -> None:
    report = check(ended(0), "", "pytest", "src/a.py")
    assert report.verdict == "passed"
    assert [(finding.code, finding.path) for finding in report.findings] == [
        ("tests.tree-changed", "src/a.py")
    ]
