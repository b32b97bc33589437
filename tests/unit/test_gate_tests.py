"""Gate `tests`: exit code and stops decide; output can only make it worse."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.gates.tests import TestsGate
from runner.ports import TestRun
from runner.process import run
from runner.records.gate import GateReport
from runner.records.sandbox import Exit
from tests.fakes import CaseBuilder, ended


def check(exit_: Exit, tail: str = "", command: str = "pytest", *changed: str) -> GateReport:
    ended_run = TestRun(exit=exit_, tail=tail, tree_changed=changed)
    return TestsGate().check(CaseBuilder(test=command, test_run=ended_run).case())


def test_exit_zero_passes_with_its_evidence() -> None:
    report = check(ended(0), "1 passed")
    assert report.verdict == "passed"
    assert report.findings == ()
    base = report.evidence.pop("base")
    assert len(base) == 64
    assert report.evidence == {
        "command": "pytest",
        "exit_code": "0",
        "stopped": "",
        "duration_ms": "10",
        "runs": "exit code 0, 10 ms",
        "base_exit_code": "0",
        "base_known": "false",
    }


def test_waived_without_a_command_and_nothing_runs() -> None:
    builder = CaseBuilder(test=None)
    assert TestsGate().check(builder.case()).verdict == "waived"
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


PYTEST_COMMANDS = (
    "pytest",
    "pytest -q tests",
    "python -m pytest -x",
    "uv run pytest",
    "CI=1 .venv/bin/pytest",
    "pip install -e . && py.test",
    "python3 -m unittest",
    "python -m unittest discover -s tests",
)


@pytest.mark.parametrize("command", PYTEST_COMMANDS)
def test_a_runner_that_ends_well_without_a_test_ran_none(command: str) -> None:
    for tail in ("", "collected 0 items\n", "0 passed", "3 skipped in 0.1s", "Ran 0 tests in 0s"):
        report = check(ended(0), tail, command)
        assert [finding.code for finding in report.findings] == ["tests.none"]
    assert [finding.code for finding in check(ended(1), "", command).findings] == ["tests.failed"]


@pytest.mark.parametrize("command", PYTEST_COMMANDS)
@pytest.mark.parametrize(
    "tail",
    [
        "===== 12 passed, 1 skipped in 0.10s =====\n",
        "\\x1b[32m\\x1b[1m1 passed\\x1b[0m\\x1b[32m in 0.00s\\x1b[0m\n",
        "1 xfailed in 0.02s",
        "..s.x                                                [100%]\n",
        "....\n",
        "..\n------\nRan 2 tests in 0.000s\n\nOK\n",
    ],
)
def test_a_sign_of_tests_adds_no_refusal(command: str, tail: str) -> None:
    assert check(ended(0), tail, command).verdict == "passed"


@pytest.mark.parametrize(
    "command",
    [
        "make test",
        "./pytest.sh",
        "make -C tests/unittest",
        "pytest -q | tee log",
        "pytest > log",
        "pytest; echo done",
        "echo 'pytest",
        "true",
    ],
)
def test_other_commands_are_believed_by_their_exit_code(command: str) -> None:
    assert check(ended(0), "", command).verdict == "passed"


@pytest.mark.parametrize(
    "flags", ["", "-q", "-qq", "-v", "--no-summary", "--no-header -p no:cacheprovider"]
)
def test_what_pytest_really_says_is_a_sign(flags: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    done = run([sys.executable, "-m", "pytest", *flags.split(), str(tmp_path)], cwd=tmp_path)
    assert check(ended(0), done.text(), f"pytest {flags}").verdict == "passed"
    (tmp_path / "conftest.py").write_text("import os\nos._exit(0)\n")
    done = run([sys.executable, "-m", "pytest", *flags.split(), str(tmp_path)], cwd=tmp_path)
    refused = check(ended(done.code), done.text(), f"pytest {flags}")
    assert [finding.code for finding in refused.findings] == ["tests.none"]


def test_a_nested_run_of_no_tests_is_not_the_last_word() -> None:
    assert check(ended(0), "Ran 0 tests in 0.1s\nRan 12 tests in 0.3s\nOK").verdict == "passed"


def test_the_tail_is_shown_capped_and_harmless() -> None:
    why = check(ended(1), "x" * 9000 + "\x1b]52;c;AAAA\x07\u202eend").findings[0].why
    assert len(why) < 4200
    assert "\x1b" not in why and "\u202e" not in why
    assert why.endswith("\\u202eend")


def test_changed_files_are_a_warning() -> None:
    report = check(ended(0), "1 passed", "pytest", "src/a.py")
    assert report.verdict == "passed"
    assert [(finding.code, finding.path) for finding in report.findings] == [
        ("tests.tree-changed", "src/a.py")
    ]
