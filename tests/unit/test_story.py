"""The story's claims (runner/run.py), by their numbers, and every way out."""

from __future__ import annotations

import errno

import pytest

from runner import run
from runner.errors import InfraError, RefusedError
from runner.evidence import objections
from runner.records.base import Oid
from runner.records.gate import Finding, GateReport
from runner.records.report import Problem, RunReport
from runner.records.review import OVER_BUDGET
from runner.records.usage import Usage
from runner.told import Told
from tests.fake_world import RUN, FakeLender, Scene, ended, make_patch, told_by_agent


def play(scene: Scene) -> RunReport:
    told = Told(RUN, scene.folder, scene.progress)
    with told:
        run.tell(scene.world(), told)
    assert told.report is not None
    assert scene.folder.sealed is told.report
    return told.report


def test_the_whole_story_in_order() -> None:
    scene = Scene()
    report = play(scene)
    assert (report.conclusion, report.exit_code) == ("published", 0)
    branch = f"codex/fix-it-{RUN}"
    assert scene.log == [
        "workspace agent", "lend gpt-5.5", "codex agent", "take gpt-5.5", "ingest",
        "workspace tests at b", "remove tests",
        "lend gpt-5.6-terra", "codex review", "take gpt-5.6-terra", "remove agent",
        "token", "look at main", f"push c refs/heads/{branch}", f"open {branch}", "seal",
    ]  # fmt: skip
    assert scene.progress.phases == ["agent", "ingest", "gates", "publish"]
    assert set(report.phases_ms) == {"prepare", *scene.progress.phases}


def test_claim_2_the_model_is_taken_away_before_anybody_looks() -> None:
    scene = Scene()
    play(scene)
    assert scene.log.index("take gpt-5.5") < scene.log.index("ingest")


@pytest.mark.parametrize("verdict", ["refused", "not-run"])
def test_claim_5_nothing_is_pushed_unless_every_gate_passed(verdict: str) -> None:
    scene = Scene(verdict=verdict)  # type: ignore[arg-type]
    report = play(scene)
    assert (report.conclusion, report.exit_code) == ("refused", 1)
    assert not [line for line in scene.log if line.startswith(("push", "token"))]
    assert scene.folder.files["patch"] == b"the diff"


def test_a_waived_gate_is_no_refusal() -> None:
    assert play(Scene(verdict="waived")).conclusion == "published"


def test_claim_4_a_gate_that_cannot_decide_ends_the_run() -> None:
    scene = Scene()
    scene.coder.results["review"] = told_by_agent("interrupted")
    assert play(scene).exit_code == 130
    assert not [line for line in scene.log if line.startswith("push")]


def test_without_a_forge_the_run_ends_judged() -> None:
    report = play(Scene(publish=False))
    assert (report.conclusion, report.exit_code) == ("judged", 0)


def test_an_empty_change_says_so() -> None:
    scene = Scene()
    scene.source.patch = make_patch(tree=make_patch().base_tree)
    report = play(scene)
    assert (report.conclusion, report.exit_code) == ("empty", 7)
    assert report.problem is not None
    assert "changed nothing" in report.problem.problem


@pytest.mark.parametrize(
    ("stopped", "conclusion", "code"),
    [
        ("interrupted", "interrupted", 130),
        ("halted", "halted", 4),
        ("wall-clock", "budget", 5),
        ("idle", "budget", 5),
        ("budget", "budget", 5),
        ("output", "budget", 5),
    ],
)
def test_a_stopped_agent_keeps_its_patch(stopped: str, conclusion: str, code: int) -> None:
    scene = Scene()
    scene.coder.results["agent"] = told_by_agent(stopped)  # type: ignore[arg-type]
    report = play(scene)
    assert (report.conclusion, report.exit_code) == (conclusion, code)
    assert scene.folder.files["patch"] == b"the diff"
    assert report.patch is not None
    assert not report.gates


def test_a_stopped_agent_with_a_bad_tree_is_still_a_stopped_agent() -> None:
    scene = Scene()
    scene.coder.results["agent"] = told_by_agent("interrupted")
    scene.source.ingest_error = RefusedError("a FIFO", "no")
    assert play(scene).exit_code == 130


def test_codex_that_did_not_finish_is_infrastructure() -> None:
    scene = Scene()
    scene.coder.results["agent"] = told_by_agent(ok=False)
    assert play(scene).exit_code == 3


def test_an_unreachable_model_is_named() -> None:
    scene = Scene()
    scene.lender.fault = "connection refused"
    scene.coder.results["agent"] = told_by_agent(ok=False)
    report = play(scene)
    assert report.exit_code == 3
    assert report.problem is not None
    assert "connection refused" in report.problem.problem


def test_a_reviewer_out_of_budget_refuses_and_can_be_resumed() -> None:
    """Nobody judged the change: it ends as every budget does, unless something else refused too."""
    spent = Finding(
        gate="review", code=OVER_BUDGET, why="requests 9 ran out", remedy="raise requests"
    )
    bad = Finding(gate="review", code="review.rejected", why="bad", remedy="mend", retryable=True)
    for findings, code, conclusion in (
        ((spent,), 5, "budget"),
        ((spent, bad), 1, "refused"),
        ((), 1, "refused"),
    ):
        scene = Scene(
            says=[GateReport(gate="review", verdict="refused", summary="", findings=findings)]
        )
        report = play(scene)
        assert (report.exit_code, report.conclusion) == (code, conclusion)
        assert report.gates[0].findings == findings and report.publication is None
        if code == 5:
            assert report.problem == Problem(problem=spent.why, remedy=spent.remedy)
            assert scene.log.count("codex agent") == 1, "no attempt could mend it"


def test_reviewers_are_lent_their_own_model() -> None:
    scene = Scene()
    scene.reviewing = FakeLender(scene.log, fault="refused the key")
    scene.coder.results["review"] = told_by_agent(ok=False)
    report = play(scene)
    assert [model for model, _ in scene.lender.lent] == ["gpt-5.5"]
    assert [model for model, _ in scene.reviewing.lent] == ["gpt-5.6-terra"]
    assert report.exit_code == 3 and report.problem is not None
    assert "gpt-5.6-terra could not be used: refused the key" in report.problem.problem


def test_a_refused_ingest_is_a_refusal() -> None:
    scene = Scene()
    scene.source.ingest_error = RefusedError("pipe is a FIFO", "remove it")
    report = play(scene)
    assert report.exit_code == 1
    assert [(gate.gate, gate.verdict) for gate in report.gates] == [("ingest", "refused")]
    assert report.gates[0].findings[0].why == "pipe is a FIFO"


def test_a_forge_that_fails_leaves_no_branch() -> None:
    scene = Scene()
    scene.forge.error = InfraError("the forge answered 500", "run it again")
    report = play(scene)
    assert (report.conclusion, report.publication) == ("infra-error", None)
    assert scene.log[-2:] == [f"withdraw refs/heads/codex/fix-it-{RUN}", "seal"]


def test_a_push_that_fails_opens_nothing() -> None:
    scene = Scene()
    scene.source.push_error = InfraError("the remote refused", "ask its owner")
    assert play(scene).exit_code == 3
    assert not [line for line in scene.log if line.startswith("open")]


def test_a_secret_in_the_final_text_stops_the_push() -> None:
    def leak(_: object) -> None:
        raise RefusedError("the body holds a credential", "remove it")

    scene = Scene(outbound=leak)
    assert play(scene).exit_code == 1
    assert not [line for line in scene.log if line.startswith("push")]


def test_an_interrupted_tests_gate_interrupts_the_run() -> None:
    assert play(Scene(test_exit=ended("interrupted"))).exit_code == 130


def test_claim_6_a_bug_is_sealed_and_not_swallowed() -> None:
    scene = Scene()
    scene.coder.error = ZeroDivisionError("oops")
    with pytest.raises(ZeroDivisionError):
        play(scene)
    assert scene.folder.sealed is not None
    assert scene.folder.sealed.conclusion == "bug"
    assert b"ZeroDivisionError" in scene.folder.files["bug.txt"]


def test_claim_6_ctrl_c_anywhere_is_sealed() -> None:
    scene = Scene()
    scene.coder.error = KeyboardInterrupt()
    assert play(scene).exit_code == 130


def test_claim_6_a_full_disk_is_sealed() -> None:
    scene = Scene()
    scene.coder.error = OSError(errno.ENOSPC, "No space left on device", "/state/x")
    report = play(scene)
    assert report.exit_code == 3
    assert report.problem is not None
    assert "disk full" in report.problem.problem


def test_an_interrupt_that_came_late_still_stops_the_publication() -> None:
    scene = Scene(halted=lambda: "interrupted")
    assert play(scene).exit_code == 130
    assert not [line for line in scene.log if line.startswith("push")]


@pytest.mark.parametrize(
    ("usage", "commands", "code"),
    [
        (Usage(requests=1), 0, "evidence.broker"),
        (Usage(requests=2, completed=1, tool_calls=1, unfinished=True), 1, "evidence.broker"),
        (Usage(requests=1, completed=1), 0, "evidence.disk"),
        (Usage(requests=1, completed=1), 3, "evidence.disk"),
    ],
)
def test_claim_3_witnesses_that_contradict_each_other_refuse_the_run(
    usage: Usage, commands: int, code: str
) -> None:
    scene = Scene()
    told = told_by_agent().model_copy(update={"usage": usage, "commands": commands})
    scene.coder.results["agent"] = told
    report = play(scene)
    assert (report.conclusion, report.exit_code) == ("refused", 1)
    assert report.gates[0].findings[0].code == code
    assert scene.folder.files["patch"] == b"the diff"
    assert not [line for line in scene.log if line.startswith(("push", "workspace tests"))]


def test_events_without_tool_calls_are_a_contradiction() -> None:
    agent = told_by_agent().model_copy(
        update={"usage": Usage(requests=1, completed=1), "commands": 1}
    )
    base = Oid("d" * 40)
    codes = [finding.code for finding in objections(agent, make_patch(base), base)]
    assert codes == ["evidence.events"]


def test_a_sandbox_that_was_killed_is_no_success() -> None:
    agent = told_by_agent().model_copy(update={"exit": ended("disk")})
    codes = [finding.code for finding in objections(agent, make_patch(), Oid("d" * 40))]
    assert codes == ["evidence.engine"]


def refusals(*codes: str, retryable: bool = True) -> list[GateReport]:
    """What the gates say, attempt by attempt; an empty code passes."""
    return [
        GateReport(
            gate="fake",
            verdict="refused" if code else "passed",
            summary="",
            findings=(
                Finding(gate="fake", code=code, why="no", remedy="mend it", retryable=retryable),
            ),
        )
        for code in codes
    ]


def test_a_refusal_that_can_be_mended_is_handed_back() -> None:
    scene = Scene(says=refusals("fake.a", ""))
    report = play(scene)
    assert report.conclusion == "published"
    assert [line for line in scene.log if line.startswith(("codex agent", "workspace agent"))] == [
        "workspace agent", "codex agent", "codex agent",
    ]  # fmt: skip
    assert [attempt.refusal for attempt in report.attempts] == ["refused by: fake"]
    assert report.attempts[0].gates[0].verdict == "refused"
    assert report.gates[0].verdict == "passed"


def test_the_same_refusal_twice_is_the_end() -> None:
    scene = Scene(says=refusals("fake.a", "fake.a", ""), attempts=5)
    report = play(scene)
    assert (report.conclusion, len(report.attempts)) == ("refused", 1)


def test_attempts_end() -> None:
    scene = Scene(says=refusals("fake.a", "fake.b", "fake.c", ""), attempts=3)
    report = play(scene)
    assert (report.conclusion, len(report.attempts)) == ("refused", 2)


def test_what_cannot_be_mended_is_not_tried_again() -> None:
    scene = Scene(says=refusals("fake.a", "", retryable=False))
    assert (play(scene).conclusion, len(scene.says)) == ("refused", 1)


def test_attempts_share_one_budget() -> None:
    scene = Scene(says=refusals("fake.a", ""))
    play(scene)
    first, second = (budget for model, budget in scene.lender.lent if model == "gpt-5.5")
    assert first.requests - second.requests == 2
