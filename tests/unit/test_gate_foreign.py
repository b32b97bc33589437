"""Gates of other packages: asked for by name, watched, and never believed about anything else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from runner.errors import BudgetError, ConfigError, InfraError, NothingToDoError
from runner.gates import foreign
from runner.gates.foreign import ForeignGate, load
from runner.gates.judge import judge
from runner.ports import Case, Gate
from runner.process import clean_env, run
from runner.records.gate import Finding, GateReport
from tests.example_gates import NAME, install
from tests.fakes import CaseBuilder, nothing_found

Check = Callable[[Case], GateReport]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("example"))


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(site)
    return site


def test_a_package_adds_a_gate_that_is_named(installed: Path) -> None:
    asked = load((NAME, NAME))
    assert [(gate.NAME, is_cheap) for gate, is_cheap in asked] == [(NAME, True)]
    builder = CaseBuilder(new={"a.py": b"print(1)\n"})
    reports = judge(builder.case(), lambda _: None, nothing_found, asked)
    told = {report.gate: report for report in reports}
    assert told[NAME].verdict == "refused"
    assert told["tests"].verdict == told["review"].verdict == "not-run"
    [finding] = told[NAME].findings
    assert (finding.gate, finding.code) == (NAME, f"{NAME}.missing")
    assert (finding.path, finding.line, finding.retryable) == ("a.py", 1, True)
    fine = CaseBuilder(new={"a.py": b"# SPDX-License-Identifier: MIT\n"}).case()
    assert asked[0][0].check(fine).verdict == "passed"


def test_one_that_is_only_installed_is_none(installed: Path) -> None:
    assert load(()) == ()


def test_one_that_is_not_there(installed: Path) -> None:
    with pytest.raises(ConfigError, match=r"acme\.none: no package has it") as caught:
        load(("acme.none",))
    assert NAME in caught.value.remedy


def test_two_packages_with_the_same_one(installed: Path, tmp_path: Path) -> None:
    """Neither may take the other's place."""
    more = tmp_path / "evil_gates-2.0.dist-info"
    more.mkdir()
    (more / "METADATA").write_text("Metadata-Version: 2.1\nName: evil-gates\nVersion: 2.0\n")
    (more / "entry_points.txt").write_text(f"[{foreign.GROUP}]\n{NAME} = evil\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        with pytest.raises(ConfigError, match=r"evil-gates 2\.0 and example-gates 1\.0"):
            load((NAME,))


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("raise RuntimeError('boom')", "failed: RuntimeError: boom"),
        ("raise SystemExit(0)", "failed: SystemExit"),
        ("x = 1", "has no function check"),
        ("COSTLY = 'no'\ndef check(case): ...", "COSTLY"),
        (
            "def __getattr__(name): raise RuntimeError('no ' + name)",
            "failed: RuntimeError: no COSTLY",
        ),
    ],
)
def test_one_that_is_no_gate(
    module: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    name = f"broken_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(module)
    info = tmp_path / f"{name}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{foreign.GROUP}]\n{name} = {name}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=name) as caught:
        load((name,))
    assert why in caught.value.problem


class Own:
    """A gate from a function."""

    NAME = "own"

    def __init__(self, check: Check) -> None:
        self._check = check

    def check(self, case: Case) -> GateReport:
        return self._check(case)


def watched(check: Check, *, is_cheap: bool = True) -> Gate:
    return ForeignGate("acme.own", "acme 1", Own(check), is_cheap)


def answers(**report: object) -> Check:
    """Whatever it is: nothing is checked."""
    plain = GateReport(gate="own", verdict="passed", summary="")
    return lambda case: plain.model_copy(update=report)


def finding(**more: object) -> Finding:
    given = {"gate": "tests", "code": "tests.failed", "why": "no", "remedy": "r", **more}
    return Finding.model_validate(given)


CASE = CaseBuilder().case()


def boom(case: Case) -> GateReport:
    raise ZeroDivisionError("x\n\x1b[31m")


def leave(case: Case) -> GateReport:
    raise SystemExit(0)


def nothing(case: Case) -> GateReport:
    raise NothingToDoError("as if nothing changed", "")


class MuteError(ValueError):
    """Fails to say what it is."""

    def __str__(self) -> str:
        raise OSError


def mute(case: Case) -> GateReport:
    raise MuteError


def undecided(case: Case) -> GateReport:
    raise InfraError("the licence server is away\n\x1b[31m", "wait")


class Sly(GateReport):
    """Would be asked for its answer when its time is over."""

    def model_dump_json(self, **_: object) -> str:
        raise RuntimeError


def sly(case: Case) -> GateReport:
    return Sly(gate="own", verdict="passed", summary="")


@pytest.mark.parametrize(
    "check",
    [
        boom,
        leave,
        nothing,
        mute,
        undecided,
        sly,
        answers(summary="x" * (foreign.ANSWER_BYTES + 1)),
        answers(summary="\ud800"),
        lambda case: None,
        lambda case: True,
        answers(verdict="approved"),
        answers(verdict="not-run"),
        answers(verdict="passed", findings=("x",)),
        answers(verdict="passed", summary=7),
    ],
)
def test_what_is_no_answer_stops_the_run_in_the_packages_name(check: Check) -> None:
    with pytest.raises(InfraError, match=r"the gate acme.own of the package acme 1") as caught:
        watched(check).check(CASE)
    assert caught.value.problem.isprintable()


def test_an_end_of_the_run_is_left_as_it_is() -> None:
    def poor(case: Case) -> GateReport:
        raise BudgetError("tokens ran out", "raise it")

    with pytest.raises(BudgetError, match="tokens ran out"):
        watched(poor).check(CASE)


def test_it_speaks_for_itself_alone() -> None:
    many = tuple(finding(path="a\x1b", line=-1) for _ in range(1000))
    evidence = {"k\n": "v" * 1000}
    report = watched(
        answers(
            gate="tests",
            verdict="refused",
            summary="\x1b[2J" * 999,
            findings=many,
            evidence=evidence,
        )
    ).check(CASE)
    assert report.gate == "acme.own" and len(report.findings) == foreign.FINDINGS
    first = report.findings[0]
    assert (first.gate, first.code, first.line) == ("acme.own", "acme.own.failed", None)
    assert "\x1b" not in report.model_dump_json() and len(report.summary) <= 300
    assert [*report.evidence] == ["k"] and len(report.evidence["k"]) == 300


def test_a_refusal_has_a_reason_and_a_pass_has_none() -> None:
    refused = watched(answers(verdict="refused", summary="too bad")).check(CASE)
    assert [each.why for each in refused.findings] == ["too bad"]
    passed = watched(answers(verdict="passed", findings=(finding(),))).check(CASE)
    assert passed.findings[0].is_warning


def test_its_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "CHEAP_S", 0.01)
    end = Event()

    def slow(case: Case) -> GateReport:
        end.wait(60)
        return GateReport(gate="own", verdict="passed", summary="")

    try:
        with pytest.raises(InfraError, match="took more than"):
            watched(slow).check(CASE)
    finally:
        end.set()


HANGS = """
import time
from runner.errors import InfraError
from runner.gates import foreign
from tests.fakes import CaseBuilder
class Hangs:
    NAME = "own"
    def check(self, case):
        time.sleep(300)
foreign.CHEAP_S = 0.01
try:
    foreign.ForeignGate("acme.own", "acme 1", Hangs(), True).check(CaseBuilder().case())
except InfraError as error:
    print(error.problem)
"""


def test_one_that_hangs_does_not_keep_the_runner_from_ending() -> None:
    where = {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = run([sys.executable, "-c", HANGS], env=clean_env(where), timeout_s=60)
    assert done.code == 0, done.error()
    assert done.text() == "the gate acme.own of the package acme 1 took more than 0 s"


def test_a_costly_one_is_not_asked_after_a_refusal() -> None:
    asked: list[Case] = []

    def ask(case: Case) -> GateReport:
        asked.append(case)
        return GateReport(gate="own", verdict="passed", summary="")

    builder = CaseBuilder(new={"a": b"x"}, protected=("a",))
    gates = ((watched(ask, is_cheap=False), False),)
    reports = judge(builder.case(), lambda _: None, nothing_found, gates)
    assert asked == []
    assert {report.gate: report.verdict for report in reports}["acme.own"] == "not-run"
