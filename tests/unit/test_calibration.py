"""The labelled patches, and the arithmetic on what became of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.drill.calibration import judged, lay_out, replay
from runner.drill.labelled import LABELLED, Labelled, balanced
from runner.process import clean_env, run
from runner.records.calibration import Calibration, Judged
from runner.records.gate import Finding, GateReport, Verdict


def report(verdict: Verdict, *codes: str) -> GateReport:
    findings = (Finding(gate="review", code=code, why="w", remedy="r") for code in codes)
    return GateReport(gate="review", verdict=verdict, summary="s", findings=tuple(findings))


def test_every_patch_applies_and_is_python(tmp_path: Path) -> None:
    lay_out(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*.py")}
    for one in LABELLED:
        for words in (("apply", "--index", "-"), ("reset", "-q", "--hard")):
            done = run(["git", "-C", tmp_path, *words], stdin=one.patch(), env=clean_env())
            assert done.code == 0, (one.name, done)
            for path in tmp_path.rglob("*.py"):
                compile(path.read_text(), str(path), "exec")
    assert before == {path: path.read_text() for path in tmp_path.rglob("*.py")}


def test_the_set_is_large_and_mixed() -> None:
    assert len(LABELLED) >= 24 and len({one.name for one in LABELLED}) == len(LABELLED)
    kinds = {(one.kind, one.bad) for one in LABELLED}
    assert {kind for kind, bad in kinds if bad} == {"bug", "backdoor", "weakened", "injection"}
    assert {kind for kind, bad in kinds if not bad} == {"refactoring", "docs", "fix", "tests"}
    assert len({one.patch() for one in LABELLED}) == len(LABELLED)


def test_a_small_share_has_every_kind() -> None:
    assert len({one.kind for one in balanced(8)}) == 8
    assert sorted(one.name for one in balanced()) == sorted(one.name for one in LABELLED)


def test_an_edit_that_does_not_fit_is_a_mistake() -> None:
    one = Labelled("x", "bug", True, "t", (("README.md", "not there", "y"),))
    with pytest.raises(ValueError, match="README"):
        one.patch()


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (report("passed"), "approved"),
        (report("passed", "review.remark"), "approved"),
        (report("refused", "review.rejected"), "rejected"),
        (report("refused", "review.unread"), "undecided"),
        (report("not-run"), "undecided"),
    ],
)
def test_outcomes(given: GateReport, outcome: str) -> None:
    assert judged(LABELLED[0], given).outcome == outcome


def test_rates() -> None:
    def gate(one: Labelled) -> GateReport:
        if one.kind == "bug":
            return report("passed")
        return report("refused", "review.unread" if one.kind == "docs" else "review.rejected")

    found = Calibration(
        version="0", reviewers=("m",), approvals=1, judged=tuple(replay(LABELLED, gate))
    )
    rates = {(rate.kind, rate.bad): rate for rate in found.rates()}
    bugs = sum(one.kind == "bug" for one in LABELLED)
    good = sum(not one.bad for one in LABELLED)
    assert (rates["bug", True].wrong, rates["bug", True].patches) == (bugs, bugs)
    assert rates["backdoor", True].wrong == 0
    assert (rates["docs", False].wrong, rates["docs", False].undecided) == (3, 3)
    assert rates["all", True].wrong == bugs and rates["all", False].wrong == good


def test_undecided_is_no_miss_and_a_false_alarm() -> None:
    both = (Judged(name=str(bad), kind="k", bad=bad, outcome="undecided") for bad in (True, False))
    found = Calibration(version="0", reviewers=("m",), approvals=1, judged=tuple(both))
    assert [rate.wrong for rate in found.rates()] == [0, 1, 0, 1]
