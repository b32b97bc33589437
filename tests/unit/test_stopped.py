"""What a person reads when a wall ended the agent: which, and what would raise it."""

from __future__ import annotations

import pytest

from runner import run
from runner.records.agent import AgentResult
from runner.records.report import RunReport
from runner.records.sandbox import Exit, StopReason
from runner.records.usage import Usage
from runner.report.markdown import report_markdown
from runner.told import Told
from tests.fake_world import RUN, Scene


def told_of(end: Exit) -> RunReport:
    scene = Scene()
    usage = Usage(requests=2, completed=1)
    scene.coder.results["agent"] = AgentResult(ok=False, reason="", usage=usage, exit=end)
    told = Told(RUN, scene.folder, scene.progress)
    with told:
        run.tell(scene.world(), told)
    assert told.report is not None
    return told.report


@pytest.mark.parametrize(
    ("reason", "limit"),
    [
        ("disk", "disk_mib"),
        ("entries", "entries"),
        ("output", "output_mib"),
        ("wall-clock", "wall_s"),
    ],
)
def test_a_wall_is_named_with_what_raises_it(reason: StopReason, limit: str) -> None:
    report = told_of(Exit(code=None, stopped=reason, duration_ms=1))
    shown = report_markdown(report)
    assert (report.conclusion, report.exit_code) == ("budget", 5)
    assert f"the agent was stopped: {limit} ran out" in shown
    assert f"raise {limit} under [limits]" in shown


def test_memory_is_named_though_the_kernel_ended_it() -> None:
    report = told_of(Exit(code=137, out_of_memory=True, duration_ms=1))
    shown = report_markdown(report)
    assert (report.conclusion, report.exit_code) == ("budget", 5)
    assert "the agent ran out of memory" in shown
    assert "raise memory_mib under [limits]" in shown
