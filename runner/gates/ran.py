"""One run of the test command: how it is asked for, and what it proves.

Exit status and stops are the sandbox's word. Everything else - output, report, the files it left -
was written by code of the tree, and may only add a refusal.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from runner.case import OUTPUT_BYTES, TestRun, Trial
from runner.gates import junit, spoken
from runner.gates.reference import Doubt, Files, differences, failures
from runner.ports import Case
from runner.records.plan import Plan
from runner.records.results import Baseline, Results
from runner.records.sandbox import Exit
from runner.records.task import how_to_raise
from runner.text import tail, visible

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


@dataclass(frozen=True, slots=True)
class Try:
    """One run of the change's tests, understood."""

    run: TestRun
    results: Results | None
    doubts: tuple[Doubt, ...]

    @property
    def refused(self) -> tuple[Doubt, ...]:
        return tuple(each for each in self.doubts if not each.warning)


def trial(plan: Plan, command: str, name: str, *, base: bool = False) -> Trial:
    """pytest is asked for a report; others say in their output what they did."""
    report = f"/tmp/{secrets.token_hex(8)}.xml"
    coverage = plan.rigour.coverage_file
    return Trial(
        command=command,
        name=name,
        base=base,
        env=MappingProxyType({"PYTEST_ADDOPTS": f"--junitxml={report} -o junit_family=xunit1"}),
        files=(report, *((coverage,) if coverage and not base else ())),
    )


def understood(run: TestRun, asked: Trial) -> Results | None:
    """None = it left no report that can be read, and said nothing that is known."""
    report = run.files.get(asked.files[0])
    found = spoken.parse(run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace"))
    if report is not None:
        read = junit.parse(report)
        printed = found.executed if found else None
        return None if read is None else read.model_copy(update={"printed": printed})
    if found is not None and max(len(run.stdout), len(run.stderr)) >= OUTPUT_BYTES:
        return found.model_copy(update={"tests": {}})
    return found


def doubts(case: Case, run: TestRun, now: Results | None, base: Baseline | None) -> Iterator[Doubt]:
    """Why this run does not count, and what a person should know of it."""
    command, ended = case.plan.test or "", ending(run)
    if run.exit.stopped in ("wall-clock", "idle"):
        yield _said("timeout", f"the tests were stopped ({ended})", run)
    elif _no_tests(run, now, command):
        yield _said("none", f"no test was executed ({ended})", run)
    elif run.exit.stopped is not None:
        yield _said("failed", f"the tests failed ({ended})", run)
    else:
        yield from _told(case, run, now, base)


def _told(case: Case, run: TestRun, now: Results | None, base: Baseline | None) -> Iterator[Doubt]:
    before = base.results if base else None
    failing = tuple(failures(now.failing, before)) if now else ()
    is_new = any(not each.warning for each in failing)
    if run.exit.code != 0 and not (failing and not is_new and _forgives(case, run, base)):
        why = "" if is_new or not failing else "; all of these fail on the base as well"
        doubt = _said("failed", f"the tests failed ({ending(run)}{why})", run)
        remedy = f"{doubt.remedy}; baseline = true under [tests] lets old failures be"
        yield Doubt(doubt.code, doubt.what, remedy if why else doubt.remedy)
        yield from failing
        return
    if run.exit.code == 0 and is_new:
        yield _said("contradiction", "tests failed, but the command says they passed", run)
    elif run.exit.code == 0 and _disagree(now, base):
        yield _said("contradiction", "the report and the printed summary do not agree", run)
    yield from failing
    if _is_due(case, now, before):
        doubt = _said("unreported", "the tests did not say which of them ran, as they do", run)
        yield replace(doubt, warning=now is not None and bool(case.plan.task.may_change_tests))
    elif now is not None and before is not None:
        yield from differences(before, now, Files.of(case))


def _forgives(case: Case, run: TestRun, base: Baseline | None) -> bool:
    """Only when asked, and only the very end the base comes to."""
    return case.plan.rigour.baseline is True and base is not None and base.code == run.exit.code


def _is_due(case: Case, now: Results | None, before: Results | None) -> bool:
    """It said nothing, or in another way than on the base."""
    if now is not None:
        return before is not None and now.source != before.source
    if case.plan.rigour.baseline is not False:
        return before is not None
    command = case.plan.test or ""
    own_way = "junit" in command or "PYTEST_ADDOPTS" in command
    return not own_way and any(_PYTEST.fullmatch(word) for word in _words(command))


def _disagree(now: Results | None, base: Baseline | None) -> bool:
    """Report and summary of one run, where those of the base agreed."""
    if now is None or base is None or base.results is None or base.code != 0:
        return False
    agreed = base.results.printed == base.results.executed
    return agreed and now.source == base.results.source and now.printed != now.executed


def _no_tests(run: TestRun, now: Results | None, command: str) -> bool:
    if run.exit.code == PYTEST_NO_TESTS:
        return "pytest" in command or "no tests ran" in run.tail.casefold()
    if now is not None:
        return now.executed == 0
    ran = _RAN.findall(run.tail)
    if ran and int(ran[-1]) == 0:
        return True
    silent = run.exit.code == 0 and _SIGN_OF_TESTS.search(run.tail) is None
    return silent and _is_test_runner(command)


def _is_test_runner(command: str) -> bool:
    """Its last part is pytest or unittest by its words, and its output is all in the tail."""
    last = re.split(r"[;&|\n]", command.strip())[-1]
    words = _words(last)
    if ">" in last:
        return False
    is_unittest = {"-m", "unittest"} <= set(words)
    return is_unittest or any(_PYTEST.fullmatch(word) for word in words)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def ending(run: TestRun) -> str:
    if run.exit.stopped is not None:
        return f"stopped: {run.exit.stopped}"
    memory = ", out of memory" if run.exit.out_of_memory else ""
    return f"exit code {run.exit.code}{memory}"


def _said(code: str, why: str, run: TestRun) -> Doubt:
    what = f"{why}; the end of the output:\n{tail(visible(run.tail), WHY_CHARS)}"
    return Doubt(code, what, _remedy(run.exit))


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
