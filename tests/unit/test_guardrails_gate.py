"""Gate `guardrails`: added lines, names and texts, never what was there before."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import runner.guardrails
from runner.guarding import added_lines
from runner.guardrails.gate import GuardrailsGate
from runner.guardrails.guard import Guard
from runner.records.gate import GateReport
from runner.records.guardrail import BUILT_IN, Asking, Format, Guardrail, Keywords, Pii, Size
from runner.report.codes import CODES
from tests.fakes import CaseBuilder

SSN = b"ssn = '536-90-4399'\n"
HOME = Path(runner.guardrails.__file__).parent
BLOCKING = Pii(stage="output", block=True)


def judged(builder: CaseBuilder, *declared: Guardrail) -> GateReport:
    return GuardrailsGate(Guard(declared), added_lines).check(builder.case())


def test_added_lines_are_judged_at_their_line() -> None:
    builder = CaseBuilder({"a.py": b"a\nb\nc\n"}, {"a.py": b"a\nx\n" + SSN + b"b\nc\nend\n"})
    report = judged(builder, BLOCKING)
    assert report.verdict == "refused"
    [finding] = report.findings
    assert (finding.code, finding.path, finding.line) == ("guardrails.pii", "a.py", 3)
    assert finding.retryable and "4399" not in finding.why


def test_what_was_there_or_is_removed_is_not() -> None:
    kept = CaseBuilder({"a.py": SSN + b"b\n"}, {"a.py": SSN + b"c\n"})
    assert judged(kept, BLOCKING).verdict == "passed"
    removed = CaseBuilder({"a.py": SSN + b"b\n", "b.py": SSN}, {"a.py": b"b\n"})
    assert judged(removed, BLOCKING).verdict == "passed"


def test_names_that_git_quotes_hide_nothing() -> None:
    for name in ("a\u202eb.md", 'a"\U000e0041.md'):
        report = judged(CaseBuilder({}, {name: b"a\n"}), *BUILT_IN)
        assert report.verdict == "refused", ascii(name)
    word = Keywords(stage="output", name="Keyword Filter", keywords=("straße",))
    assert judged(CaseBuilder({}, {'die "straße"\udcff': b"a\n"}), word).verdict == "refused"


def test_long_lines_end() -> None:
    [added] = added_lines(CaseBuilder({}, {"a.txt": b"x" * 30_000_000}).case())
    assert len(added.text) == 30_000_000


def test_long_lines_are_whole_again() -> None:
    builder = CaseBuilder({}, {"a.txt": b"x" * 995 + b" 536-90-4399 " + b"x" * 995})
    assert judged(builder, BLOCKING).verdict == "refused"


def test_texts_and_names_are_judged() -> None:
    said = CaseBuilder({}, {"a": b"a\n"}, texts={"body": "call 415-555-2671", "title": "x"})
    [finding] = judged(said, BLOCKING).findings
    assert finding.why.startswith("body:1: ") and finding.path is None
    named = CaseBuilder({}, {"docs/jane@corp.com.txt": b"a\n"})
    [finding] = judged(named, BLOCKING).findings
    assert finding.why.startswith("the name of file 1:1: ")


def test_a_tree_is_not_redacted_but_refused() -> None:
    builder = CaseBuilder({}, {"a.py": SSN})
    assert judged(builder, Pii(stage="output", action="redact")).verdict == "refused"


def test_rules_on_whole_texts_speak_of_the_texts_together() -> None:
    builder = CaseBuilder({}, {"a": b"x" * 99}, texts={"title": "ABC-1 mend", "body": "it"})
    ticket = Format(stage="output", must_match=("[A-Z]+-[0-9]+",))
    assert judged(builder, ticket, Size(stage="output", max_chars=20)).verdict == "passed"
    assert judged(builder, Format(stage="output", must_match=("XYZ",))).verdict == "refused"
    assert judged(builder, Size(stage="output", max_chars=5)).verdict == "refused"


def test_hidden_characters_in_a_change_by_default() -> None:
    trojan = CaseBuilder({}, {"a.py": "ok = 1 # \u202e\u2066x\n".encode()})
    [finding] = judged(trojan, *BUILT_IN).findings
    assert (finding.code, finding.layer) == ("guardrails.hidden-unicode", "built-in")
    mild = judged(CaseBuilder({}, {"a.py": "a\u200bb\n".encode()}), *BUILT_IN)
    assert mild.verdict == "passed" and mild.findings[0].is_warning


def test_what_is_missing_is_told_once() -> None:
    asking = Asking(stage="output", name="Moderation")
    builder = CaseBuilder({}, {"a": b"a\n", "b": b"b\n"}, texts={"title": "x", "body": "y"})
    report = judged(builder, asking)
    assert report.verdict == "passed" and len(report.findings) == 1
    assert judged(builder, asking.model_copy(update={"required": True})).verdict == "refused"


def test_a_diff_that_is_not_the_change_is_refused() -> None:
    builder = CaseBuilder({}, {"a.py": b"fine\n"}, diff=b"")
    [finding] = judged(builder, BLOCKING).findings
    assert finding.code == "guardrails.unread"


def test_nothing_declared_asks_for_nothing() -> None:
    case = replace(CaseBuilder({}, {"a.py": SSN}, diff=b"").case())
    report = GuardrailsGate(Guard((Pii(stage="input"),)), added_lines).check(case)
    assert report.verdict == "passed"


def test_refusals_are_told_before_warnings() -> None:
    lines = "".join(f"a{number}\u200bb\n" for number in range(300)).encode()
    builder = CaseBuilder({}, {"a.py": lines + SSN})
    report = judged(builder, *BUILT_IN, BLOCKING)
    assert report.verdict == "refused" and len(report.findings) <= 100
    assert report.findings[0].code == "guardrails.pii"


def test_every_code_is_explained() -> None:
    words = {
        str(node.args[2].value)
        for path in HOME.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Hit"
        if len(node.args) > 2 and isinstance(node.args[2], ast.Constant)
    }
    assert {"pii", "keyword", "url", "size"} <= words
    others = {"hidden-unicode", "unavailable", "too-large", "unread"}
    assert {f"guardrails.{word}" for word in words | others} <= CODES.keys()
