"""Gates of other packages.

A gate is whatever its package names under the entry point group `codex_runner.gates`, a module or
an object, with the shape of `runner.ports.Gate`:

    [project.entry-points."codex_runner.gates"]
    "acme.licence" = "acme_gates.licence"

    NAME = "licence"              # told by nobody: the entry point's name is the gate's
    COSTLY = False                # True: asked only while nothing before it was refused

    def check(case: runner.ports.Case) -> runner.records.gate.GateReport: ...

`check` looks at `case.patch.changes`, reads content with `case.blob(oid)` and the base with
`case.base_blob(path)`, may run `case.test(...)`, and answers `passed`, `refused` or `waived` with
findings; a finding whose `why` begins with `warning: ` refuses nothing. It raises `InfraError` when
it cannot decide; every other exception means the same. It runs in the runner's own process: it is
trusted as the runner is.

1. Only what the operator's settings name is loaded: an installed package adds no gate by itself.
2. A gate that is named and not there, or there twice, is an error before anything starts.
3. What it answers is read again, its text made harmless and short; it speaks for itself alone.
4. It has `CHEAP_S` seconds, or a costly one as long as the tests, and `ANSWER_BYTES`.
5. A failure, `sys.exit`, a late or wrong answer stops the run in the gate's name. What ends the
   whole process (`os._exit`, a crash in C) ends the run as a kill does: sealed, not published.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from threading import Thread
from typing import TypeVar

from pydantic import ValidationError

from runner.errors import (
    BudgetError,
    ConfigError,
    HaltedError,
    InfraError,
    InterruptedRunError,
    RunnerError,
)
from runner.ports import Case, Gate
from runner.records.gate import Finding, GateReport
from runner.text import cut, line, visible

GROUP = "codex_runner.gates"
CHEAP_S = 60.0
LOADING_S = 60.0
ANSWER_BYTES = 4 * 1024 * 1024
FINDINGS = 100
FACTS = 20
WHY_CHARS = 2000
LINE_CHARS = 300
OWN_RIGHT = (InfraError, BudgetError, HaltedError, InterruptedRunError)
"""What a gate may end a run with, in the words of whoever raised it."""
_CODE = re.compile(r"[^A-Za-z0-9-]+")
T = TypeVar("T")


@dataclass(slots=True)
class ForeignGate:
    """One of them, watched."""

    NAME: str
    package: str
    """For messages, e.g. `acme-gates 1.2`."""
    gate: Gate
    is_cheap: bool

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: it failed, took too long, or its answer is none."""
        limit_s = CHEAP_S if self.is_cheap else float(case.plan.limits.tests_s)
        answer = _within(limit_s, lambda: _told(self.gate.check(case)), self._failed)
        if len(answer) > ANSWER_BYTES:
            raise self._failed(f"answered with {len(answer)} bytes, more than {ANSWER_BYTES}")
        try:
            report = GateReport.model_validate_json(answer)
        except ValidationError as error:
            raise self._failed("answered with a broken GateReport") from error
        if report.verdict == "not-run":
            raise self._failed("did not decide")
        return self._tamed(report)

    def _failed(self, why: str) -> InfraError:
        return InfraError(
            f"the gate {self.NAME} of the package {self.package} {why}",
            "mend or update that package, or remove the gate from gates in config.toml",
        )

    def _tamed(self, report: GateReport) -> GateReport:
        refuses = report.verdict == "refused"
        findings = [self._own(each, refuses) for each in report.findings[:FINDINGS]]
        if refuses and all(each.is_warning for each in findings):
            findings.insert(0, self._own(_bare(report.summary), refuses))
        facts = list(report.evidence.items())[:FACTS]
        return GateReport(
            gate=self.NAME,
            verdict=report.verdict,
            summary=line(report.summary, LINE_CHARS),
            findings=tuple(findings),
            evidence={line(key, 60): line(value, LINE_CHARS) for key, value in facts},
        )

    def _own(self, finding: Finding, refuses: bool) -> Finding:
        """In its own name; what passed has nothing but warnings."""
        why = cut(visible(finding.why), WHY_CHARS)
        if not refuses and not why.startswith("warning"):
            why = f"warning: {why}"
        rule = _CODE.sub("-", finding.code.rpartition(".")[2])[:60]
        return Finding(
            gate=self.NAME,
            code=f"{self.NAME}.{rule or 'refused'}",
            path=None if finding.path is None else line(finding.path, LINE_CHARS),
            line=finding.line if finding.line is not None and 0 < finding.line < 10**9 else None,
            why=why,
            remedy=line(finding.remedy, LINE_CHARS),
            retryable=finding.retryable,
        )


def load(names: Iterable[str]) -> tuple[tuple[Gate, bool], ...]:
    """Each with whether it is cheap, in the order of the settings.

    Raises ConfigError: it is not installed, installed twice, or no gate.
    """
    found = (_loaded(name) for name in dict.fromkeys(names))
    return tuple((gate, gate.is_cheap) for gate in found)


def _loaded(name: str) -> ForeignGate:
    points = [*entry_points(group=GROUP, name=name)]
    if len(points) != 1:
        known = ", ".join(sorted({point.name for point in entry_points(group=GROUP)})) or "none"
        packages = " and ".join(sorted(map(_package, points)))
        how = f"more than one package has it: {packages}" if points else "no package has it"
        raise ConfigError(f"gates: {name}: {how}", f"install the right one; there are: {known}")
    [point] = points
    package = _package(point)

    def no_gate(why: str) -> ConfigError:
        problem = f"gates: {name}: the package {package} {why}"
        return ConfigError(problem, "mend or update it, or remove the gate from gates")

    gate, costly, check = _within(LOADING_S, lambda: _looked_at(point.load()), no_gate)
    if not callable(check) or not isinstance(costly, bool):
        raise no_gate("has no function check there, or a COSTLY that is no truth value")
    return ForeignGate(name, package, gate, not costly)


def _looked_at(gate: Gate) -> tuple[Gate, object, object]:
    """Even that may run a stranger's code."""
    return gate, getattr(gate, "COSTLY", False), getattr(gate, "check", None)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _told(answer: object) -> str:
    """As text, so that no object of a stranger's is asked anything once its time is over.

    Raises TypeError: it is no report.
    """
    if not isinstance(answer, GateReport):
        raise TypeError(f"answered with {type(answer).__name__}, not a GateReport")
    return answer.model_dump_json(warnings=False)


def _within(limit_s: float, work: Callable[[], T], failed: Callable[[str], RunnerError]) -> T:
    """Whatever a stranger's code raises is a value here. A thread that hangs is left behind; being
    a daemon, it does not keep the process from ending."""
    answer: Future[T] = Future()
    Thread(target=_settle, args=(answer, work), daemon=True, name="foreign gate").start()
    try:
        error = answer.exception(limit_s)
    except TimeoutError as late:
        raise failed(f"took more than {limit_s:.0f} s") from late
    if isinstance(error, InfraError):
        raise failed(f"could not decide: {_said(error)}") from error
    if isinstance(error, OWN_RIGHT):
        raise error
    if error is not None:
        raise failed(f"failed: {type(error).__name__}: {_said(error)}") from error
    return answer.result()


def _settle(answer: Future[T], work: Callable[[], T]) -> None:
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001 - nobody else hears it, SystemExit included
        answer.set_exception(error)


def _said(error: BaseException) -> str:
    """Without asking a stranger's exception to say it, which may fail as well."""
    plain = [each for each in error.args if type(each) in (str, int)]
    return line(", ".join(map(str, plain)), LINE_CHARS)


def _bare(summary: str) -> Finding:
    return Finding(gate="", code="refused", why=summary, remedy="read the gate's documentation")
