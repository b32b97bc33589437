"""`explain`: every refusal in plain words, also of codes nobody foresaw."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import runner
from runner.records.gate import Finding, GateReport
from runner.records.gated import Gated
from runner.records.report import Problem, RunReport
from runner.report.codes import CODES, GATES, known
from runner.report.explain import explain, rows
from runner.report.terminal import report_rows
from tests.fake_world import make_plan
from tests.unit.test_report_markdown import make_report

GATES_HOME = Path(runner.__file__).parent / "gates"
MAKERS = {
    "Suspicion": "tamper",
    "Doubt": "tests",
    "_said": "tests",
    "Trouble": "dependencies",
    "refused": "review",
    "_none": "review",
    "_bound": "secrets",
    "_finding": "",
}
"""What is called with a code's last word first or second, and whose it is; "" = the module's."""


def _codes(path: Path) -> Iterator[str]:
    """What a module can make, as far as it stands in its text."""
    tree = ast.parse(path.read_text())
    module = path.stem if path.stem != "panel" else "review"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for given in node.args[:2] if name in MAKERS else ():
                if isinstance(given, ast.Constant) and _is_word(given.value):
                    yield f"{MAKERS[name] or module}.{given.value!s}"
        elif isinstance(node, ast.keyword) and node.arg == "code":
            yield from (f"{module}.{word}" for word in _spelled(node.value) if _is_word(word))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and value.replace("-", "").isalnum()


def _spelled(node: ast.expr) -> Iterator[str]:
    """`f"{NAME}.word"`, or `f"{NAME}.{'one' if x else 'other'}"`."""
    if not isinstance(node, ast.JoinedStr):
        return
    match node.values:
        case [ast.FormattedValue(), ast.Constant(value=word)]:
            yield str(word).removeprefix(".")
        case [_, _, ast.FormattedValue(value=ast.IfExp(body=one, orelse=other))]:
            yield from (str(each.value) for each in (one, other) if isinstance(each, ast.Constant))


def codes() -> set[str]:
    return {code for path in GATES_HOME.glob("*.py") for code in _codes(path)}


def test_every_code_of_the_gates_is_explained() -> None:
    found = codes()
    some = {"paths.protected", "review.rejected", "size.long-line", "tamper.deleted"}
    assert some <= found and len(found) > 60
    assert sorted(found - CODES.keys()) == []


def test_every_gate_is_explained() -> None:
    names = {
        node.value.value
        for path in GATES_HOME.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "NAME"
        if isinstance(node.value, ast.Constant)
    }
    told = {code.partition(".")[0] for code in CODES} | GATES.keys()
    assert len(names) > 6 and names <= told


def test_advice_is_whole() -> None:
    for code, advice in {**CODES, **GATES}.items():
        assert advice.means.endswith(".") and advice.change.endswith((".", "!")), code
        assert set(advice.who) <= {"author", "task", "repository", "operator"} and advice.who, code


def refused(*findings: Finding) -> RunReport:
    gate = GateReport(gate="paths", verdict="refused", summary="", findings=findings)
    late = GateReport(gate="tests", verdict="not-run", summary="not run: refused by paths")
    return make_report().model_copy(
        update={"gates": (gate, late), "conclusion": "refused", "publication": None}
    )


def finding(**more: object) -> Finding:
    given = {"gate": "paths", "code": "paths.protected", "why": "w", "remedy": "mend it", **more}
    return Finding.model_validate(given)


def test_a_refusal_says_who_decided_and_who_may_change_it() -> None:
    layer = ".codex-runner.toml, line 4"
    told = explain(refused(finding(path="a", line=2, rule="protected a", layer=layer)))
    (each,) = told.refusals
    assert (each.path, each.line, each.rule, each.layer) == ("a", 2, "protected a", layer)
    text = "\n".join(row for row, _ in rows(told))
    assert "1. paths.protected at a:2" in text and f"protected a, set by {layer}" in text
    assert "not run: refused by paths" in text


@pytest.mark.parametrize("code", ["other.thing", "strange", "secrets.some-new-rule", ""])
def test_an_unknown_code_is_still_useful(code: str) -> None:
    told = explain(refused(finding(code=code)))
    text = "\n".join(row for row, _ in rows(told))
    assert "mend it" in text and known(code).means in text


def test_hostile_text_stays_text() -> None:
    evil = "x\x1b[2J\n::error::y\u202e"
    made = refused(*(finding(**{name: evil}) for name in ("why", "path", "layer", "rule", "code")))
    ended = made.model_copy(update={"problem": Problem(problem=evil, remedy=evil)})
    for row, _ in rows(explain(ended)):
        assert "\x1b" not in row and "\u202e" not in row and "\n" not in row
        assert not row.lstrip().startswith("::")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"plan": None}, "before there was a plan"),
        ({"phases_ms": {"agent": 1}}, "was asked for, and nothing was pushed"),
        ({"phases_ms": {"publish": 1}}, "began and did not come to its end"),
        ({"plan": make_plan().model_copy(update={"remote": None})}, "was not asked for"),
    ],
)
def test_what_became_of_publishing(change: dict[str, object], told: str) -> None:
    plan = make_plan().model_copy(update={"remote": "/srv/x.git"})
    report = make_report(plan=plan, publication=None)
    (*_, last) = explain(report.model_copy(update=change)).not_reached
    assert told in last


def test_a_command_finds_a_run_of_another_state() -> None:
    problem = Problem(problem="p", remedy=f"codex-runner explain {make_report().run}")
    ended = make_report().model_copy(update={"conclusion": "budget", "problem": problem})
    commands = [row for row in explain(ended, " --state /s").next if "codex-runner" in row]
    assert len(commands) >= 3
    assert all(f"{ended.run} --state /s" in row for row in commands)


def test_what_ended_without_a_verdict_can_go_on() -> None:
    report = make_report().model_copy(update={"conclusion": "budget", "gates": ()})
    assert report.unfinished
    assert any("codex-runner resume" in row for row in explain(report).next)
    assert not report.model_copy(update={"patch": None}).unfinished
    assert not report.model_copy(update={"conclusion": "refused"}).unfinished
    assert not report.model_copy(update={"agent": None}).unfinished


def test_what_the_execution_gate_denied_is_told() -> None:
    """A run whose author may do nothing ends empty: the reason is not in its logs."""
    report, why = make_report(), "approval_unavailable: nobody can be asked here"
    assert report.agent is not None
    agent = report.agent.model_copy(update={"gated": Gated(denied=3, why=(why,))})
    report = report.model_copy(update={"agent": agent})
    assert f"The gate denied 3 of its calls: {why}" in explain(report).happened
    assert f"  gate      3 calls were denied: {why}" in [
        row for row, _ in report_rows(report, Path("/r"))
    ]
