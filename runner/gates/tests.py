"""Gate `tests`: the test command on a fresh checkout of the tree, in a sandbox of its own.

What the output says is never believed when it is good news; it may only add a refusal.
"""

from __future__ import annotations

import re
import shlex

from runner.ports import Case, TestRun
from runner.records.gate import Finding, GateReport
from runner.records.sandbox import Exit
from runner.records.task import how_to_raise
from runner.text import line, tail, visible

NAME = "tests"
WHY_CHARS = 4000
PYTEST_NO_TESTS = 5
_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_PYTEST = re.compile(r"(?:.*/bin/)?(?:pytest|py\.test)")
_SIGN_OF_TESTS = re.compile(
    r"(?<!\d)[1-9]\d* (?:passed|failed|xfailed|xpassed|errors?)\b|^Ran [1-9]\d* tests? in "
    r"|^[sE]*+[.FxX][.FEsxX]*+(?: +\[ *\d+%\])?\r?$",
    re.MULTILINE,
)
"""A count, or the row of dots that is all `pytest -qq` says."""


def check(case: Case) -> GateReport:
    """Raises InfraError: the sandbox could not be made."""
    command = case.plan.test
    if command is None:
        return GateReport(
            gate=NAME, verdict="waived", summary="no test command; waived by the task"
        )
    run = case.test(command)
    refusal = _refusal(run, command)
    changed = tuple(_changed(path) for path in run.tree_changed)
    seconds = run.exit.duration_ms / 1000
    return GateReport(
        gate=NAME,
        verdict="refused" if refusal else "passed",
        summary=f"{line(command, 120)}: {_ending(run)} after {seconds:.1f} s",
        findings=((refusal,) if refusal else ()) + changed,
        evidence={
            "command": command,
            "exit_code": str(run.exit.code),
            "stopped": run.exit.stopped or "",
            "duration_ms": str(run.exit.duration_ms),
        },
    )


def _refusal(run: TestRun, command: str) -> Finding | None:
    ended = _ending(run)
    if run.exit.stopped in ("wall-clock", "idle"):
        return _finding("timeout", f"the tests were stopped ({ended})", run)
    if _no_tests(run, command):
        return _finding("none", f"no test was executed ({ended})", run)
    if run.exit.stopped is not None or run.exit.code != 0:
        return _finding("failed", f"the tests failed ({ended})", run)
    return None


def _no_tests(run: TestRun, command: str) -> bool:
    if run.exit.code == PYTEST_NO_TESTS:
        return "pytest" in command or "no tests ran" in run.tail.casefold()
    ran = _RAN.findall(run.tail)
    if ran and int(ran[-1]) == 0:
        return True
    silent = run.exit.code == 0 and _SIGN_OF_TESTS.search(run.tail) is None
    return silent and _is_test_runner(command)


def _is_test_runner(command: str) -> bool:
    """Its last part is pytest or unittest by its words, and its output is all in the tail."""
    last = re.split(r"[;&|\n]", command.strip())[-1]
    try:
        words = shlex.split(last)
    except ValueError:
        return False
    if ">" in last:
        return False
    is_unittest = {"-m", "unittest"} <= set(words)
    return is_unittest or any(_PYTEST.fullmatch(word) for word in words)


def _ending(run: TestRun) -> str:
    if run.exit.stopped is not None:
        return f"stopped: {run.exit.stopped}"
    memory = ", out of memory" if run.exit.out_of_memory else ""
    return f"exit code {run.exit.code}{memory}"


def _finding(rule: str, why: str, run: TestRun) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{rule}",
        why=f"{why}; the end of the output:\n{tail(visible(run.tail), WHY_CHARS)}",
        remedy=_remedy(run.exit),
        retryable=True,
    )


def _remedy(end: Exit) -> str:
    limit = {
        "wall-clock": "tests_s",
        "output": "output_mib",
        "disk": "disk_mib",
        "entries": "entries",
    }.get(end.stopped or "")
    if end.out_of_memory:
        limit = "memory_mib"
    if limit is None:
        return "make the test command succeed without weakening the tests"
    return f"make the tests need less, or {how_to_raise(limit)}"


def _changed(path: str) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.tree-changed",
        path=path,
        why=f"warning: the test command changed {path} while it ran",
        remedy="tests that write tracked files may test something else than what is published",
    )
