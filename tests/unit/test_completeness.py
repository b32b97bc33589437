"""What ran without an ALLOW is found, whatever the hook did."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from runner import run, session
from runner.completeness import BLOCKED, account, objections, unreceipted
from runner.errors import RefusedError
from runner.records.base import Sha256
from runner.records.decision import Word
from runner.records.evidence import ReceiptId
from runner.records.gated import Decided, Gated
from runner.records.level import Level, Standing
from runner.records.report import RunReport
from runner.records.usage import ToolCall
from runner.resuming import vouched
from runner.told import Told
from tests.fake_world import RUN, Scene, told_by_agent
from tests.sealed_run import sealed

CODE, OTHER = Sha256("a" * 64), Sha256("b" * 64)
RAN = "Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 0"


def call(
    answer: str | None = RAN, tool: str = "Bash", identity: str = "1", *, inert: bool = False
) -> ToolCall:
    return ToolCall(id=identity, tool=tool, code_sha256=CODE, answer=answer, inert=inert)


def word(word: Word, identity: str = "1", tool: str = "Bash", code: Sha256 = CODE) -> Decided:
    return Decided(identity, tool, code, word, ReceiptId("rc_1"))


def lines(
    calls: list[ToolCall], decided: list[Decided], commands: tuple[Sha256, ...] = ()
) -> list[str]:
    return [*unreceipted(calls, decided, commands)]


@pytest.mark.parametrize(
    ("calls", "decided", "found"),
    [
        ([], [], 0),
        ([call()], [word("ALLOW")], 0),
        ([call()], [], 1),
        ([call()], [word("ALLOW", "2")], 1),
        ([call()], [word("ALLOW", code=OTHER)], 1),
        ([call()], [word("ALLOW", tool="apply_patch")], 1),
        ([call()], [word("DENY")], 1),
        ([call()], [word("PENDING")], 1),
        ([call(), call()], [word("ALLOW")], 1),
        ([call(), call()], [word("ALLOW"), word("ALLOW")], 0),
        ([call(), call(BLOCKED[0])], [word("ALLOW"), word("DENY")], 0),
        ([call(f"{BLOCKED[0]}: no. Command: x")], [word("DENY")], 0),
        ([call(f"{BLOCKED[0]}: no gate. Command: x")], [], 0),
        ([call(f"{RAN}\n{BLOCKED[0]}")], [], 1),
        ([call("failed to parse function arguments: x")], [], 0),
        ([call("unsupported call: foo", "foo")], [], 0),
        ([call(None)], [], 0),
        ([call("", "write_stdin", inert=True)], [], 0),
        ([call("write_stdin failed: stdin is closed", "write_stdin")], [], 0),
        ([call(RAN, "write_stdin")], [], 1),
        ([call(RAN, "write_stdin")], [word("ALLOW", tool="write_stdin")], 1),
        ([call("Script completed", "exec"), call("Script", "wait")], [], 0),
        ([call("more than can be followed", "")], [word("ALLOW")], 1),
    ],
)
def test_every_call_that_ran_has_its_own_allow(
    calls: list[ToolCall], decided: list[Decided], found: int
) -> None:
    assert len(lines(calls, decided)) == found


def test_each_command_that_codex_tells_of_has_its_own_allow() -> None:
    """In code mode the broker sees only the script; who reaches the socket can ask at will."""
    assert not lines([], [word("ALLOW")], (CODE,))
    assert not lines([], [word("ALLOW"), word("ALLOW")], (CODE,))
    assert lines([], [word("ALLOW"), word("ALLOW", tool="apply_patch")], (CODE, CODE))
    assert lines([], [word("ALLOW", code=OTHER)] * 9, (CODE,))
    (why,) = lines([], [word("DENY"), word("DENY")], (CODE, CODE))
    assert "2x" in why and CODE in why


def test_what_codex_tells_the_end_of_was_allowed() -> None:
    """In code mode a patch is seen by codex's hooks only; whoever kills one may miss the other."""
    decided = [word("ALLOW", "1"), word("DENY", "2")]
    assert account([], decided, (), 0, ["1"]).unreceipted == ()
    behind = account([], decided, (), 0, ["1", "2", "3"]).unreceipted
    assert [why.rpartition(" ")[2] for why in behind] == ["2", "3"]


def test_a_call_is_named_in_one_printable_line() -> None:
    (why,) = lines([call(identity="x\x1b[31m\n" * 90, tool="y" * 500)], [])
    assert why.isprintable() and len(why) < 300


def test_the_account_becomes_findings() -> None:
    gated = account([call()], [word("DENY"), word("ALLOW", "2")], (), closed=0)
    assert (gated.allowed, gated.denied, gated.open) == (1, 1, 1)
    (finding,) = objections(told_by_agent().model_copy(update={"gated": gated}))
    assert finding.code == "gate.unreceipted" and "Bash 1" in finding.why
    assert not objections(told_by_agent())


def played(level: Level = 2) -> tuple[RunReport, Scene]:
    scene = Scene(attempts=1)
    gated = Gated(unreceipted=("Bash 1: it ran, and the gate was not asked",))
    scene.coder.results["agent"] = told_by_agent().model_copy(update={"gated": gated})
    told = Told(RUN, scene.folder, scene.progress)
    with told:
        world = scene.world()
        plan = world.plan.model_copy(update={"standing": Standing(level=level)})
        run.tell(replace(world, plan=plan), told)
    assert told.report is not None
    return told.report, scene


@pytest.mark.parametrize("level", [0, 2])
def test_a_run_with_such_a_call_is_refused_and_names_it(level: Level) -> None:
    report, scene = played(level)
    assert (report.conclusion, report.exit_code) == ("refused", 1)
    (finding,) = report.gates[0].findings
    assert (finding.code, report.gates[0].verdict) == ("gate.unreceipted", "refused")
    assert "Bash 1" in finding.why and not finding.retryable
    assert not [line for line in scene.log if line.startswith(("push", "codex review"))]


@pytest.mark.parametrize("behind", [(), ("Bash 1: it ran, and the gate was not asked",)])
def test_a_session_that_was_broken_off_is_no_way_around(
    tmp_path: Path, behind: tuple[str, ...]
) -> None:
    """Who went behind the gate lets its budget run out, and is gone on with."""
    usage = told_by_agent().usage.model_copy(update={"tool_calls": 1})
    gated = Gated(allowed=1, unreceipted=behind)
    update = {"ok": False, "gated": gated, "usage": usage}
    agent = told_by_agent().model_copy(update=update)
    folder = sealed(
        tmp_path, agent=agent, conclusion="budget", exit_code=5, gates=(), publication=None
    )
    refused = pytest.raises(RefusedError, match="not allowed: Bash 1")
    with refused if behind else nullcontext():
        vouched(folder, lambda _: None)


def test_a_reviewer_that_runs_something_is_no_reviewer() -> None:
    scene = Scene()
    gated = Gated(unreceipted=("Bash 1: it ran, and the gate was not asked",))
    scene.coder.results["review"] = told_by_agent().model_copy(update={"gated": gated})
    result = session.review(scene.world(), "prompt", {}, "m", (), 0)
    assert not result.ok and "Bash 1" in result.reason
