"""The request and report.md: facts first, everybody else's words inert."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records.agent import AgentResult
from runner.records.base import Oid
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change, Patch
from runner.records.report import Problem, Publication, RunReport
from runner.records.sandbox import Exit
from runner.records.usage import Usage
from runner.report.markdown import BODY_BYTES, commit_message, report_markdown, request_text
from tests.fake_world import BASE, COMMIT, RUN, TREE, make_patch, make_plan

NOW = datetime(2026, 11, 20, 10, 22, 33, tzinfo=UTC)
EVIL = (
    "</pre></details>```\n@octocat fixes #1\n/merge\n<script>x</script>![i](https://c.invalid/x)\n"
    "::add-mask::x\n\x1b[2J\u202e| a | b |\nCo-authored-by: O <o@x.invalid>\n[ci skip]"
)
ACTIVE = re.compile(r"@[\w-]|https?://|\x1b|\u202e|^\s*/|^Co-author|^\s*::", re.MULTILINE)


def make_agent(message: str = "All done.") -> AgentResult:
    ended = Exit(code=0, duration_ms=1, unenforced=("pids", "memory_mib"))
    usage = Usage(requests=3, input_tokens=1200, output_tokens=80, cost_usd_micros=12300)
    return AgentResult(ok=True, message=message, usage=usage, exit=ended)


def change(path: str) -> Change:
    return Change(
        path=path, status="modified", old_mode="100644", new_mode="100644", old_oid=BASE,
        new_oid=TREE, added=3, deleted=1, binary=False, size_bytes=10,
    )  # fmt: skip


def evil_gates(text: str, count: int = 1) -> tuple[GateReport, ...]:
    finding = Finding(gate="paths", code="paths.x", path=text, line=3, why=text, remedy=text)
    return (
        GateReport(gate="paths", verdict="refused", summary=text, findings=(finding,) * count),
        GateReport(gate="tests", verdict="waived", summary="the task waives it"),
    )


def make_report(**more: object) -> RunReport:
    told: dict[str, object] = {
        "run": RUN,
        "conclusion": "published",
        "exit_code": 0,
        "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=12.5),
        "plan": make_plan(),
        "agent": make_agent(),
        "patch": make_patch().model_copy(update={"changes": (change("src/a.py"),)}),
        "gates": evil_gates("x"),
    }
    return RunReport.model_validate({**told, **more})


def test_the_request_says_what_a_reviewer_needs() -> None:
    patch = make_patch().model_copy(update={"changes": (change("src/a.py"),)})
    title, body = request_text(make_plan(), patch, make_agent(), evil_gates("x"))
    assert title == "Fix it"
    for fact in (
        "| paths | **refused** | `x` |",
        "**Waived, not checked: tests.**",
        f"| run | `{RUN}` |",
        "`gpt-5.5`, reviewed by `gpt-5.6-terra`",
        "bubblewrap, codex's own sandbox inside",
        "| not enforced here | `pids`, `memory_mib` |",
        "codex | `0.163.0`",
        f"| base commit | `{BASE}` |",
        f"| tree | `{TREE}` |",
        "| files | 1 of at most 50 |",
        "| lines | 4 of at most 1500 |",
        "- modified `src/a.py` +3 -1",
    ):
        assert fact in body
    assert body.index("### Gates") < body.index("### What the agent says")
    assert body.endswith("<pre>\n| All done.\n</pre>\n")


def test_evil_text_everywhere_is_inert() -> None:
    patch = make_patch().model_copy(update={"changes": (change(EVIL),)})
    plan = make_plan()
    task = plan.task.model_copy(update={"title": EVIL})
    plan = plan.model_copy(update={"task": task, "test": EVIL, "model": EVIL})
    title, body = request_text(plan, patch, make_agent(EVIL), evil_gates(EVIL))
    problem = Problem(problem=EVIL, remedy=EVIL)
    publication = Publication(
        remote=EVIL, ref=EVIL, commit=COMMIT, url=EVIL, created=True, notes=(EVIL,)
    )
    report = make_report(
        plan=plan, patch=patch, agent=make_agent(EVIL), gates=evil_gates(EVIL),
        problem=problem, publication=publication,
    )  # fmt: skip
    for text in (title, body, report_markdown(report), commit_message(plan)):
        found = ACTIVE.search(text)
        assert found is None, found
        assert "<script" not in text or text in {title, commit_message(plan)}  # plain text there
        assert "#1" not in text.replace("&#1", "")
        assert "[ci skip]" not in text
    assert "\n" not in title
    assert body.count("<pre>") == body.count("</pre>") == 2  # a finding's output, the words


@given(st.text(max_size=300))
def test_tables_keep_their_shape(text: str) -> None:
    _, body = request_text(make_plan(), make_patch(), make_agent(text), evil_gates(text))
    (row,) = (row for row in body.split("\n") if row.startswith("| paths |"))
    assert re.fullmatch(r"\| paths \| \*\*refused\*\* \| (`[^`|]+`|<code>[^`|<]*</code>) \|", row)


@pytest.mark.parametrize("char", ["x", "\u6f22", "<", "&", "|", "\x00", "\n"])
def test_the_body_is_capped_and_the_facts_survive(char: str) -> None:
    many = make_patch().model_copy(update={"changes": (change(char * 5000),) * 3000})
    gates = evil_gates(char * 5000, 500)
    _, body = request_text(make_plan(), many, make_agent(char * 65536), gates)
    assert len(body.encode()) <= BODY_BYTES
    for fact in ("### Gates", "### Run", "### Change", "| tree |", "### What the agent says"):
        assert fact in body
    assert body.endswith("</pre>\n")


def test_report_markdown_however_it_ended() -> None:
    story = report_markdown(make_report())
    assert f"# Run `{RUN}`: published" in story
    assert "12.5 s, exit code 0" in story
    assert "| author | 3 | 1200 | 80 | $0.0123 |" in story
    assert "### Findings" in story
    bare = make_report(
        plan=None, agent=None, patch=None, gates=(), conclusion="infra-error", exit_code=3,
        problem=Problem(problem="no `docker`", remedy="start it"),
    )  # fmt: skip
    told = report_markdown(bare)
    assert "infra-error" in told
    assert "- try: `start it`" in told
    assert "### " not in told


def test_who_spent_what_and_what_was_not_granted_is_in_the_request() -> None:
    plan = make_plan().model_copy(update={"notes": ("limits.files: cut to 50",)})
    review = Usage(requests=1, input_tokens=70, output_tokens=8)
    _, body = request_text(plan, make_patch(), make_agent(), (), review)
    assert "| author | 3 | 1200 | 80 | $0.0123 |\n| reviewer | 1 | 70 | 8 | unknown |" in body
    assert "- note: `limits.files: cut to 50`" in body


def test_a_finding_says_its_place_once_and_keeps_lines_of_output() -> None:
    place = Finding(
        gate="secrets", code="secrets.key", path="a.py", line=3, why="a.py:3: a key", remedy="r"
    )
    why = "the tests failed; the end of the output:\nFAIL: x\n  at line 1"
    output = Finding(gate="tests", code="tests.failed", why=why, remedy="r")
    gates = (GateReport(gate="g", verdict="refused", summary="s", findings=(place, output)),)
    _, body = request_text(make_plan(), make_patch(), make_agent(), gates)
    assert "- `secrets.key` at `a.py:3`: `a key`; try: `r`" in body
    assert "<pre>\n| FAIL: x\n|   at line 1\n</pre>" in body


def test_the_commit_message_has_only_our_trailers() -> None:
    plan = make_plan()
    title = "Fix\n\nSigned-off-by: A <a@b.c> [skip ci]"
    plan = plan.model_copy(update={"task": plan.task.model_copy(update={"title": title})})
    first, *rest = commit_message(plan).split("\n")
    assert first == "Fix Signed-off-by: A <a@ b.c> (skip ci)"
    trailers = [row.partition(":")[0] for row in rest if ":" in row]
    assert trailers == ["Codex-Runner-Run", "Codex-Runner-Task"]


def test_a_patch_without_changes_is_told_too() -> None:
    empty = Patch(base_commit=BASE, base_tree=TREE, tree=TREE, commit=Oid(COMMIT), changes=())
    assert "files | 0 of" in request_text(make_plan(), empty, make_agent(""), ())[1]
