"""Progress and summary on a terminal, in a pipe, and with hostile text."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from runner.ports import Progress
from runner.records.agent import AgentEvent
from runner.records.gate import Finding, GateReport
from runner.records.report import Problem, Publication, RunReport
from runner.records.usage import Usage
from runner.report.progress import LiveProgress, PlainProgress, SilentProgress, Watching, watching
from runner.report.terminal import print_report
from runner.text import to_json
from tests.fake_world import COMMIT, RUN, make_plan
from tests.unit.test_report_markdown import EVIL, make_report

SGR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def command(text: str, code: int | None = 0) -> AgentEvent:
    return AgentEvent(kind="command", phase="completed", text=text, exit_code=code)


def tell(progress: Watching) -> None:
    with progress as shown:
        shown.phase("agent")
        shown.event(AgentEvent(kind="turn", phase="started"))
        shown.event(AgentEvent(kind="command", phase="started", text="pytest"))
        shown.event(command(EVIL, 1))
        shown.usage(Usage(requests=2, input_tokens=1200, output_tokens=80))
        shown.phase("gates")
        shown.gate(GateReport(gate="size", verdict="passed", summary=EVIL))


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_plain_lines_without_escapes() -> None:
    stream = io.StringIO()
    tell(PlainProgress(stream, clock=lambda: 61.0))
    told = stream.getvalue()
    assert told.isprintable() or set(told) - set("\n") == {c for c in told if c.isprintable()}
    assert "[00:00] agent ..." in told
    assert "(exit 1)" in told
    assert "author: 2 requests, 1,200 + 80 tokens, cost unknown" in told
    assert "gate size: passed" in told
    assert not re.search(r"(?m)^\s*::", told)


def test_author_and_reviewer_are_counted_apart() -> None:
    def spend(progress: Watching) -> None:
        with progress as shown:
            for phase, requests in (("agent", 5), ("gates", 1)):
                shown.phase(phase)
                shown.usage(Usage(requests=requests, cost_usd_micros=20_000))

    stream = io.StringIO()
    spend(PlainProgress(stream, clock=lambda: 0.0))
    live = Terminal()
    spend(LiveProgress(live))
    for told in (stream.getvalue(), live.getvalue()):
        assert "author: 5 requests, 0 + 0 tokens, cost $0.0200" in told
        assert "reviewer: 1 requests, 0 + 0 tokens, cost $0.0200" in told
    told = summary(make_report(review_usage=Usage(requests=1)), io.StringIO())
    assert "  author    3 requests, 1,200 + 80 tokens, cost $0.0123\n" in told
    assert "  reviewer  1 requests, 0 + 0 tokens, cost unknown\n" in told


def test_a_budget_that_is_nearly_spent_is_told_once() -> None:
    def spend(progress: Watching) -> None:
        with progress as shown:
            shown.phase("agent")
            for percent in (81, 82, 83):
                shown.usage(Usage(notes=(f"{percent} % of day_usd is spent: $8 of $10",)))

    stream, live = io.StringIO(), Terminal()
    spend(PlainProgress(stream, clock=lambda: 0.0))
    spend(LiveProgress(live))
    for told in (stream.getvalue(), live.getvalue()):
        assert told.count("author: 81 % of day_usd is spent: $8 of $10") == 1
        assert "82 %" not in told


def test_a_flood_of_events_is_throttled_and_counted() -> None:
    now = [0.0]
    stream = io.StringIO()
    progress: Progress = PlainProgress(stream, clock=lambda: now[0])
    for number in range(10_000):
        progress.event(command(f"c{number}"))
        progress.usage(Usage(requests=number))
    now[0] = 1.5
    progress.event(command("last"))
    rows = stream.getvalue().splitlines()
    assert len(rows) == 3
    assert rows[2] == "[00:01]   command: last (+9999 unsaid)"


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    tell(PlainProgress(Gone()))


def test_live_shows_and_clears_without_foreign_controls() -> None:
    stream = Terminal()
    tell(LiveProgress(stream))
    told = stream.getvalue()
    assert "size: passed" in told
    assert "\\x1b[2J" in told
    assert "\x1b[2J" not in told
    assert "\u202e" not in told
    assert told.rstrip().endswith(("\x1b[?25h", "\x1b[2K"))


def test_the_way_follows_the_stream() -> None:
    assert isinstance(watching(stream=Terminal()), LiveProgress)
    assert type(watching(stream=io.StringIO())) is PlainProgress
    assert type(watching(quiet=True)) is SilentProgress
    tell(watching(quiet=True))


def summary(report: RunReport, stream: io.StringIO) -> str:
    print_report(report, Path("/state/runs/r"), "signature valid", stream)
    return stream.getvalue()


def test_the_summary_in_a_pipe_is_plain_and_unwrapped() -> None:
    why = "w" * 300
    finding = Finding(gate="paths", code="paths.protected", path="ci.yml", why=why, remedy="r")
    gates = (GateReport(gate="paths", verdict="refused", summary="1 path", findings=(finding,)),)
    problem = Problem(problem="refused by: paths", remedy="read why")
    told = summary(
        make_report(gates=gates, conclusion="refused", exit_code=1, problem=problem), io.StringIO()
    )
    assert "\x1b" not in told
    assert "refused in 12.5 s (exit code 1)" in told
    assert "  refused   paths  1 path\n" in told
    assert f"            paths.protected: ci.yml: {why}\n" in told
    assert "could not enforce: pids, memory_mib" in told
    assert told.endswith("  folder    /state/runs/r\n  receipt   signature valid\n")


def test_notes_places_output_and_the_next_step() -> None:
    plan = make_plan().model_copy(update={"notes": ("limits.files: cut",)})
    place = Finding(
        gate="secrets", code="secrets.x", path="a.py", line=3, why="a.py:3: a key", remedy="r"
    )
    long = Finding(gate="size", code="size.x", path="a.py", why="a.py has a line", remedy="r")
    output = Finding(gate="tests", code="tests.x", why="failed:\nFAIL\n  here", remedy="r")
    gate = GateReport(gate="g", verdict="passed", summary="s", findings=(place, long, output))
    told = summary(make_report(plan=plan, gates=(gate,), conclusion="judged"), io.StringIO())
    assert "  note      limits.files: cut\n" in told
    assert " secrets.x: a.py:3: a key\n" in told
    assert " size.x: a.py: has a line\n" in told
    indent = " " * 12
    assert f"{indent}tests.x: failed:\n{indent}  FAIL\n{indent}    here\n{indent}try: r\n" in told
    assert f"  next      codex-runner apply {RUN}\n" in told


def test_the_summary_on_a_terminal_has_colours_unless_unwanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert SGR.search(summary(make_report(), Terminal()))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[3[0-9]m", summary(make_report(), Terminal()))


def test_hostile_text_reaches_neither_terminal_nor_ci() -> None:
    finding = Finding(gate="paths", code="x", path=EVIL, why=EVIL, remedy=EVIL)
    publication = Publication(
        remote="r", ref=EVIL, commit=COMMIT, url=EVIL, created=True, notes=(EVIL,)
    )
    plan = make_plan().model_copy(update={"model": EVIL})
    report = make_report(
        plan=plan, publication=publication, problem=Problem(problem=EVIL, remedy=EVIL),
        gates=(GateReport(gate="paths", verdict="refused", summary=EVIL, findings=(finding,)),),
    )  # fmt: skip
    told = SGR.sub("", summary(report, Terminal()))
    assert all(char.isprintable() or char == "\n" for char in told)
    assert not re.search(r"(?m)^\s*(::|##\[)", told)


def test_a_width_of_nothing_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some CI systems say so where there is no terminal."""
    wide = summary(make_report(), io.StringIO())
    for columns in ("0", "1", "x"):
        monkeypatch.setenv("COLUMNS", columns)
        assert summary(make_report(), io.StringIO()) == wide


def test_a_stream_of_another_encoding_gets_escapes() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as stream:
        plan = make_plan().model_copy(update={"model": "m\u00fc"})
        print_report(make_report(plan=plan), Path("/r"), stream=stream)
        assert b"m\\xfc" in raw.getvalue()


def test_json_is_ascii_without_controls() -> None:
    told = to_json({"a": "\x1b\x7f\u202e\u0085\ud800\n"}, indent=None)
    assert told.isascii()
    assert told.isprintable()


def test_a_wait_for_upstream_is_said_once() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, clock=lambda: 0.0)
    progress.phase("agent")
    waits = "upstream limits the rate (429): try 2 of 6 in 20 s"
    for now in ("", waits, waits, "", waits):
        progress.usage(Usage(requests=1, waits=now))
    assert stream.getvalue().count(f"author waits: {waits}") == 2


def test_budgets_that_are_nearly_spent_are_noted() -> None:
    note = "81 % of day_usd is spent: $40.51 of $50.00"
    usage = Usage(requests=3, retries=2, waited_s=40, notes=(note,))
    told = summary(make_report(review_usage=usage), io.StringIO())
    assert f"  note      {note}" in told
    assert "3 requests, 0 + 0 tokens, cost unknown (2 sent again, waited 40 s)" in told
