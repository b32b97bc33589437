"""What test frameworks say, read and compared: never better news than the exit status."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.case import OUTPUT_BYTES, TestRun
from runner.gates import junit, spoken
from runner.gates.baseline import FORGETFUL, KEPT, Baselines
from runner.gates.coverage import added_lines, reached
from runner.gates.tests import TestsGate
from runner.process import run
from runner.records.gate import GateReport
from runner.records.results import Baseline, Outcome, Result, Results
from runner.records.rigour import Rigour
from tests.fakes import REPORT, CaseBuilder, ended

TESTS = """import pytest
def test_ok(): pass
def test_bad(): assert 0, "boom"
@pytest.mark.skip(reason="why not")
def test_skip(): pass
@pytest.mark.xfail(reason="later")
def test_xfail(): assert 0
@pytest.mark.xfail(strict=True)
def test_strict(): pass
@pytest.fixture
def broken():
    yield
    1 / 0
def test_teardown(broken): pass
@pytest.mark.parametrize("a", ["x\\x1b", object()])
def test_many(a): pass
"""
TAP = """TAP version 13
# Subtest: one
ok 1 - one
  ---
  duration_ms: 1.1
  ...
# Subtest: skipped
ok 2 - skipped # SKIP reason
# Subtest: todo
ok 3 - todo # TODO
# Subtest: suite
    # Subtest: in
    ok 1 - in
      ---
      duration_ms: 0.1
      ...
    # Subtest: bad
    not ok 2 - bad
      ---
      stack: |-
        ok 1 - indented words of a stack
      ...
    1..2
not ok 4 - suite
  ---
  duration_ms: 0.8
  type: 'suite'
  ...
1..4
# tests 5
"""
CARGO = """
running 3 tests
test tests::a ... ok
test tests::c ... ignored, slow
test tests::b ... FAILED

failures:
    tests::b

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out

running 1 test
test src/lib.rs - f (line 2) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out
"""
GO = """=== RUN   TestA
--- PASS: TestA (0.00s)
--- SKIP: TestB (0.00s)
--- FAIL: TestC (0.00s)
    --- FAIL: TestC/sub (0.00s)
FAIL
FAIL\texample.com/m\t0.002s
ok  \texample.com/m/b\t(cached)
?   \texample.com/m/c\t[no test files]
ok  \texample.com/m/d\t0.001s [no tests to run]
"""
GO_JSON = """{"Action":"start","Package":"m"}
{"Action":"pass","Package":"m","Test":"TestA","Elapsed":0}
not json
{"Action":"skip","Package":"m","Test":"TestB"}
{"Action":"fail","Package":"m"}
"""
JEST = (
    '{"numTotalTests":2,"testResults":[{"name":"/work/a.test.js","assertionResults":['
    '{"fullName":"adds","status":"passed"},{"fullName":"waits","status":"pending"}]}]}'
)


def outcomes(results: Results | None) -> dict[str, str]:
    assert results is not None
    return {name: each.outcome for name, each in results.tests.items()}


def test_what_pytest_really_reports(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(TESTS)
    (tmp_path / "test_b.py").write_text("import nosuch\n")
    options = ("--junitxml=o.xml", "-o", "junit_family=xunit1", "--continue-on-collection-errors")
    run([sys.executable, "-m", "pytest", "-q", *options, "."], cwd=tmp_path)
    results = junit.parse((tmp_path / "o.xml").read_bytes())
    assert outcomes(results) == {
        "test_b": "error",
        "test_a::test_ok": "passed",
        "test_a::test_bad": "failed",
        "test_a::test_skip": "skipped",
        "test_a::test_xfail": "xfailed",
        "test_a::test_strict": "failed",
        "test_a::test_teardown": "error",
        "test_a::test_many[x\\x1b]": "passed",
        "test_a::test_many[a1]": "passed",
    }
    assert results is not None and (results.executed, results.skipped) == (8, 1)
    bad = results.tests["test_a::test_bad"]
    assert (bad.path, bad.reason) == ("test_a.py", "AssertionError: boom assert 0")
    assert results.tests["test_a::test_skip"].reason == "why not"


ENTITIES = b'<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><testsuite name="&b;"/>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\xff",
        b"<testsuite>",
        b"<html></html>",
        b"<testsuite/><testsuite/>",
        b'<?xml version="1.0" encoding="nosuch"?><testsuite/>',
        ENTITIES,
        b'<!DOCTYPE t SYSTEM "file:///etc/passwd" [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        b"<testsuite>&x;</testsuite>",
        b"<testsuite>" + b"<a>" * 60 + b"</a>" * 60 + b"</testsuite>",
    ],
)
def test_what_is_no_report(data: bytes) -> None:
    assert junit.parse(data) is None


def test_ids_are_harmless_and_of_no_address() -> None:
    data = b'<testsuite><testcase name="a[&lt;o at 0x7f00deadbeef&gt;]&#10;b%s"/></testsuite>'
    results = junit.parse(data % (b"x" * 9000))
    assert results is not None
    (name,) = results.tests
    assert name.startswith("a[<o at 0x>] bxxx") and len(name) <= junit.ID_CHARS


@pytest.mark.parametrize(
    ("said", "source", "expected"),
    [
        (
            TAP,
            "tap",
            {
                "one": "passed",
                "skipped": "skipped",
                "todo": "xpassed",
                "suite > in": "passed",
                "suite > bad": "failed",
            },
        ),
        (
            CARGO,
            "cargo",
            {
                "tests::a": "passed",
                "tests::c": "skipped",
                "tests::b": "failed",
                "src/lib.rs - f (line 2)": "passed",
            },
        ),
        (
            GO,
            "go",
            {
                "example.com/m": "failed",
                "example.com/m::TestA": "passed",
                "example.com/m::TestB": "skipped",
                "example.com/m::TestC": "failed",
                "example.com/m::TestC/sub": "failed",
                "example.com/m/b": "passed",
            },
        ),
        (GO_JSON, "go", {"m::TestA": "passed", "m::TestB": "skipped"}),
        ("noise\n" + JEST, "jest", {"adds": "passed", "waits": "skipped"}),
    ],
)
def test_tests_by_name(said: str, source: str, expected: dict[str, str]) -> None:
    results = spoken.parse(said, "")
    assert results is not None and results.source == source
    assert outcomes(results) == expected
    assert results.executed == sum(each != "skipped" for each in expected.values())


@pytest.mark.parametrize(
    ("said", "source", "executed", "skipped"),
    [
        ("== 1 failed, 12 passed, 3 skipped, 1 warning in 0.10s ==", "pytest", 13, 3),
        ("2 passed in 0.01s\n3 passed, 1 deselected in 0.01s\n", "pytest", 5, 0),
        ("Tests:       1 failed, 1 skipped, 9 passed, 11 total\n", "jest", 10, 1),
        ("      Tests  1 failed | 9 passed (10)\n", "jest", 10, 0),
        ("  3 passing (4ms)\n  1 pending\n  2 failing\n", "mocha", 5, 1),
        ("12 examples, 1 failure, 2 pending\n", "rspec", 10, 2),
        ("OK (12 tests, 30 assertions)\n", "phpunit", 12, 0),
        ("[INFO] Tests run: 12, Failures: 0, Errors: 0, Skipped: 2\n", "maven", 10, 2),
        ("..\n---\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n", "unittest", 1, 1),
        (CARGO.replace("tests::a ... ok", "tests::a ... torn\nok"), "cargo", 3, 1),
    ],
)
def test_numbers_alone(said: str, source: str, executed: int, skipped: int) -> None:
    for streams in ((said, ""), ("", said)):
        results = spoken.parse(*streams)
        assert results is not None
        told = (results.source, results.executed, results.skipped, results.tests)
        assert told == (source, executed, skipped, {})


def test_what_unittest_really_says(tmp_path: Path) -> None:
    (tmp_path / "test_u.py").write_text(
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n"
        "    def test_d(self):\n        'A line.'\n"
        "    @unittest.skip('no need')\n    def test_s(self): pass\n"
        "    @unittest.expectedFailure\n    def test_x(self): self.fail()\n"
        "    def test_f(self): self.fail()\n"
    )
    done = run([sys.executable, "-m", "unittest", "-v"], cwd=tmp_path)
    results = spoken.parse("", done.stderr.decode())
    assert list(outcomes(results).values()) == ["passed", "passed", "failed", "skipped", "xfailed"]


@pytest.mark.parametrize("said", ["", "hello\n", "ok\n", '{"Action":\n', "{" * 5000, "TAP\n"])
def test_what_says_nothing(said: str) -> None:
    results = spoken.parse(said, said)
    assert results is None or results.executed == 0


@pytest.mark.parametrize(
    "piece", ["1 a, ", "\n", "test a ... ", " ", "ok ", "--- ", "a (b)\n", "# Subtest: x\n ", "{"]
)
def test_hostile_output_is_read_in_time(piece: str) -> None:
    spoken.parse("TAP version 13\n" + piece * (1_000_000 // len(piece)), "Ran 1 test in " + piece)


def report(**tests: Outcome) -> bytes:
    inner = {
        "failed": '<failure message="no"/>',
        "error": "<error/>",
        "skipped": '<skipped type="pytest.skip" message="why"/>',
        "xfailed": '<skipped type="pytest.xfail"/>',
    }
    rows = [
        f'<testcase classname="{name.partition("__")[0]}" name="{name.partition("__")[2]}"'
        f' file="{name.partition("__")[0]}.py">{inner.get(outcome, "")}</testcase>'
        for name, outcome in tests.items()
    ]
    return f"<testsuites>{''.join(rows)}</testsuites>".encode()


def ran(code: int = 0, *changed: str, **tests: Outcome) -> TestRun:
    return TestRun(ended(code), "", changed, files={REPORT: report(**tests)})


def told(report: GateReport) -> list[str]:
    """Codes; a warning's in brackets."""
    return [
        f"({each.code[6:]})" if each.why.startswith("warning: ") else each.code[6:]
        for each in report.findings
    ]


BASE = ran(a__x="passed", a__y="passed", b__z="failed", b__s="skipped")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (ran(a__x="passed", a__y="passed", b__z="passed", b__s="passed"), []),
        (ran(a__x="passed", a__y="passed", b__z="failed", b__s="skipped"), ["(failed-before)"]),
        (ran(a__x="passed", b__z="passed"), ["gone"]),
        (ran(a__x="passed", a__y="skipped", b__z="passed"), ["skipped"]),
        (ran(a__x="passed", a__y="xfailed", b__z="passed"), ["xfailed"]),
        (ran(a__x="passed", a__y="passed", b__z="xfailed"), ["xfailed"]),
        (ran(a__x="passed", a__y="failed", b__z="passed"), ["contradiction", "failure"]),
        (ran(1, a__x="passed", a__y="failed", b__z="passed"), ["failed", "failure"]),
        (ran(1, a__x="passed", b__z="failed"), ["failed", "(failed-before)"]),
        (
            ran(a__x="passed", a__y="passed", b__z="passed", c__n="skipped", c__m="passed"),
            ["(skipped)"],
        ),
        (ran(b__s="skipped"), ["none"]),
        (TestRun(ended(0), "done"), ["unreported"]),
        (TestRun(ended(0), "", stdout=b"9 passed in 1s", files={REPORT: b"<"}), ["unreported"]),
        (TestRun(ended(0), "4 passed", stdout=b"4 passed in 1s"), ["unreported"]),
    ],
)
def test_a_run_against_the_base_s(now: TestRun, expected: list[str]) -> None:
    found = TestsGate().check(CaseBuilder(test="make", test_run=now, base_run=BASE).case())
    assert told(found) == expected
    blocking = [code for code in expected if not code.startswith("(")]
    assert found.verdict == ("refused" if blocking else "passed")


def test_a_test_that_moved_is_still_there() -> None:
    now = ran(a__x="passed", c__y="passed", b__z="passed")
    builder = CaseBuilder(
        old={"a.py": b"1"}, new={"a.py": b"2"}, test="make", test_run=now, base_run=BASE
    )
    assert TestsGate().check(builder.case()).verdict == "passed"
    builder = CaseBuilder(test="make", test_run=now, base_run=BASE)
    assert told(TestsGate().check(builder.case())) == ["gone"], "its file did not change"


def test_parameters_with_names_of_chance_are_a_warning() -> None:
    named = '<testsuite><testcase name="t[%s]"/><testcase name="t[%s]"/></testsuite>'
    base, now, less = (
        TestRun(ended(0), "", files={REPORT: (named % names).encode()})
        for names in (("1", "2"), ("3", "4"), ("5", "5"))
    )
    check = TestsGate().check
    assert told(check(CaseBuilder(test_run=now, base_run=base).case())) == ["(gone)", "(gone)"]
    assert told(check(CaseBuilder(test_run=less, base_run=base).case())) == ["gone", "gone"]


def test_the_task_may_let_tests_go_and_only_those_it_names() -> None:
    now = ran(a__x="passed")
    builder = CaseBuilder(test_run=now, base_run=BASE, may_change_tests=("a.py",))
    assert told(TestsGate().check(builder.case())) == ["gone", "(gone)"]
    builder.may_change_tests = ("a.py", "b.py")
    found = TestsGate().check(builder.case())
    assert (found.verdict, told(found)) == ("passed", ["(gone)", "(gone)"])
    assert "the task allows it (may_change_tests)" in found.findings[0].why


def test_old_failures_pass_only_when_that_is_asked_for() -> None:
    now = ran(1, a__x="passed", a__y="passed", b__z="failed")
    base = ran(1, a__x="passed", a__y="passed", b__z="failed")
    builder = CaseBuilder(test="make", test_run=now, base_run=base)
    found = TestsGate().check(builder.case())
    assert told(found) == ["failed", "(failed-before)"]
    assert "baseline = true" in found.findings[0].remedy
    builder.rigour = Rigour(baseline=True)
    assert told(TestsGate().check(builder.case())) == ["(failed-before)"]
    builder.base_run = ran(2, a__x="passed", a__y="passed", b__z="failed")
    assert TestsGate().check(builder.case()).verdict == "refused", "another exit status"
    builder.base_run, builder.test_run = base, TestRun(ended(1), "", files={REPORT: report()})
    assert TestsGate().check(builder.case()).verdict == "refused", "nothing that failed is named"
    builder.test_run = ran(1, a__x="passed", b__z="failed")
    assert told(TestsGate().check(builder.case())) == ["gone", "(failed-before)"]


def test_a_failure_that_does_not_last_is_flaky_and_named() -> None:
    base = ran(a__x="passed")
    first, second = ran(1, a__x="failed"), ran(a__x="passed")
    builder = CaseBuilder(test="make", test_run=(first, second), base_run=base)
    found = TestsGate().check(builder.case())
    assert (found.verdict, told(found)) == ("passed", ["(flaky)"])
    assert "a::x failed and then passed" in found.findings[0].why
    assert found.evidence["runs"] == "exit code 1, 10 ms; exit code 0, 10 ms"
    strict = CaseBuilder(
        test_run=(first, second), base_run=base, rigour=Rigour(strict=True), test="make"
    )
    assert told(TestsGate().check(strict.case())) == ["flaky"]
    once = CaseBuilder(
        test_run=(first, second), base_run=base, rigour=Rigour(retries=0), test="make"
    )
    assert told(TestsGate().check(once.case())) == ["failed", "failure"]


@pytest.mark.parametrize(
    ("now", "runs"),
    [
        (ran(1, a__x="failed"), 3),
        (ran(a__x="failed"), 3),
        (TestRun(ended(1), ""), 3),
        (TestRun(ended(137, out_of_memory=True), ""), 1),
        (TestRun(ended(None, stopped="wall-clock"), ""), 1),
        (ran(c__n="passed"), 1),
        (TestRun(ended(0), ""), 1),
    ],
)
def test_only_failures_are_tried_again(now: TestRun, runs: int) -> None:
    builder = CaseBuilder(
        test="make", test_run=now, base_run=ran(a__x="passed"), rigour=Rigour(retries=2)
    )
    assert TestsGate().check(builder.case()).verdict == "refused"
    assert [kind for kind, _ in builder.asked] == ["base", *["test"] * runs]


def test_numbers_may_not_shrink_either() -> None:
    base = TestRun(ended(0), "", stdout=b"12 examples, 0 failures\n")
    now = TestRun(ended(0), "", stdout=b"11 examples, 0 failures\n")
    assert told(TestsGate().check(CaseBuilder(test_run=now, base_run=base).case())) == ["fewer"]
    assert TestsGate().check(CaseBuilder(test_run=base, base_run=now).case()).verdict == "passed"


def test_a_report_that_the_summary_contradicts() -> None:
    files = {REPORT: report(a__x="passed", a__y="passed")}
    base = TestRun(ended(0), "", stdout=b"2 passed in 1s\n", files=files)
    for said in (b"", b"3 passed in 1s\n"):
        now = TestRun(ended(0), "", stdout=said, files=files)
        found = TestsGate().check(CaseBuilder(test_run=now, base_run=base).case())
        assert told(found) == ["contradiction"]


def test_too_much_output_leaves_the_numbers() -> None:
    rows = b"--- PASS: TestA (0.00s)\nok  \tm\t0.1s\n"
    now = TestRun(ended(0), "", stdout=rows.rjust(OUTPUT_BYTES, b"\n"))
    base = TestRun(ended(0), "", stdout=rows)
    found = TestsGate().check(CaseBuilder(test_run=now, base_run=base).case())
    assert (found.verdict, found.evidence["executed"]) == ("passed", "2")


def test_without_a_base_pytest_owes_a_report_unless_it_writes_another() -> None:
    off = Rigour(baseline=False)
    silent = TestRun(ended(0), "1 passed", stdout=b"")
    for command, expected in (
        ("pytest", ["unreported"]),
        ("pytest --junitxml=mine.xml", []),
        ("make", []),
    ):
        builder = CaseBuilder(test=command, test_run=silent, rigour=off)
        found = TestsGate().check(builder.case())
        assert told(found) == expected
        assert "not compared with the base" in found.summary
        assert [kind for kind, _ in builder.asked] == ["test"]


def test_a_base_that_cannot_be_run_is_said() -> None:
    stopped = TestRun(ended(None, stopped="wall-clock"), "")
    builder = CaseBuilder(test="make", test_run=ran(a__x="passed"), base_run=stopped)
    found = TestsGate().check(builder.case())
    assert (found.verdict, told(found)) == ("passed", ["(base)"])
    builder.rigour = Rigour(strict=True)
    assert told(TestsGate().check(builder.case())) == ["base"]


@pytest.mark.parametrize(
    ("in_patch", "by_base", "strict", "expected"),
    [
        (False, False, False, "(tree-changed)"),
        (True, False, False, "tree-changed"),
        (True, True, False, "(tree-changed)"),
        (True, True, True, "tree-changed"),
    ],
)
def test_files_that_the_tests_write(
    in_patch: bool, by_base: bool, strict: bool, expected: str
) -> None:
    builder = CaseBuilder(
        old={"a.py": b"1"},
        new={"a.py": b"2" if in_patch else b"1"},
        test_run=ran(0, "a.py", a__x="passed"),
        base_run=ran(0, *(["a.py"] if by_base else []), a__x="passed"),
        rigour=Rigour(strict=strict),
    )
    assert told(TestsGate().check(builder.case())) == [expected]


def test_many_findings_are_counted() -> None:
    many: dict[str, Outcome] = {f"a__t{number}": "passed" for number in range(50)}
    base = TestRun(ended(0), "", files={REPORT: report(**many)})
    found = TestsGate().check(CaseBuilder(test_run=ran(b__n="passed"), base_run=base).case())
    assert len(found.findings) == 21
    assert found.findings[-1].why == "30 more like this"
    assert found.evidence["gone"] == "50"


def test_the_base_s_results_are_remembered(tmp_path: Path) -> None:
    kept = Baselines(tmp_path / "kept")
    builder = CaseBuilder(test="make", test_run=BASE, base_run=BASE)
    first = TestsGate(kept).check(builder.case())
    second = TestsGate(kept).check(builder.case())
    assert [kind for kind, _ in builder.asked] == ["base", "test", "test"]
    assert first.evidence["base"] == second.evidence["base"]
    assert (first.evidence["base_known"], second.evidence["base_known"]) == ("false", "true")
    builder.test = "make other"
    assert TestsGate(kept).check(builder.case()).evidence["base_known"] == "false"


def test_what_others_could_have_written_is_not_remembered(tmp_path: Path) -> None:
    kept = Baselines(tmp_path / "kept")
    made = Baseline(code=0, results=Results(source="go", tests={}, executed=1))
    kept.keep("a", made)
    assert kept.get("a") == made
    assert kept.get("b") is None
    (file,) = (tmp_path / "kept").iterdir()
    file.chmod(0o666)
    assert kept.get("a") is None
    file.chmod(0o600)
    file.write_text("{}")
    assert kept.get("a") is None
    kept.keep("a", made)
    elsewhere = file.rename(tmp_path / "elsewhere")
    file.symlink_to(elsewhere)
    assert kept.get("a") is None
    assert FORGETFUL.get("a") is None


def test_old_baselines_are_forgotten(tmp_path: Path) -> None:
    kept = Baselines(tmp_path)
    for number in range(KEPT + 3):
        kept.keep(str(number), Baseline(code=0))
    assert len(list(tmp_path.iterdir())) == KEPT


DIFF = b"""diff --git a/src/a.py b/src/a.py
index 1..2 100644
--- a/src/a.py
+++ b/src/a.py
@@ -1,3 +1,4 @@
 one
-two
+TWO
+++ b/other.py
 three
@@ -10,0 +12 @@ def f():
+twelve
\\ No newline at end of file
diff --git a/gone.py b/gone.py
--- a/gone.py
+++ /dev/null
@@ -1 +0,0 @@
-x
"""


def test_added_lines_are_counted_not_believed() -> None:
    assert added_lines(DIFF) == {"src/a.py": [2, 3, 12]}


@pytest.mark.parametrize(
    ("told", "covered", "total"),
    [
        (
            b'<coverage><sources><source>/work</source></sources><class filename="src/a.py">'
            b'<line number="2" hits="3"/><line number="3" hits="0"/><line number="9" hits="0"/>'
            b"</class></coverage>",
            1,
            2,
        ),
        (b'<coverage><class filename="a.py"><line number="12" hits="1"/></class></coverage>', 1, 1),
        (b"TN:\nSF:/work/src/a.py\nDA:2,1\nDA:3,0\nDA:12,0,x\nend_of_record\n", 1, 3),
        (b"SF:other.py\nDA:2,0\nend_of_record\n", 0, 0),
        (b"<coverage/>", 0, 0),
    ],
)
def test_coverage_of_added_lines(told: bytes, covered: int, total: int) -> None:
    found = reached(DIFF, told)
    assert found is not None and (found.covered, found.total) == (covered, total)


@pytest.mark.parametrize("told", [b"", b"words", b"<html/>", ENTITIES, b"SF:a\nDA:x,y\n"])
def test_what_is_no_coverage(told: bytes) -> None:
    assert reached(DIFF, told) is None


def covered(rigour: Rigour, told: bytes | None, **more: object) -> GateReport:
    files = {REPORT: report(a__x="passed"), **({} if told is None else {"c.xml": told})}
    now = TestRun(ended(0), "", files=files)
    builder = CaseBuilder(test_run=now, base_run=ran(a__x="passed"), rigour=rigour, diff=DIFF)
    for name, value in more.items():
        setattr(builder, name, value)
    return TestsGate().check(builder.case())


def test_a_floor_for_coverage() -> None:
    half = b"SF:src/a.py\nDA:2,1\nDA:3,0\nend_of_record\n"
    found = covered(Rigour(coverage_file="c.xml"), half)
    assert (found.verdict, told(found)) == ("passed", [])
    assert found.summary.endswith("1 of 2 changed lines covered (50 %)")
    assert covered(Rigour(coverage_file="c.xml", coverage=50), half).verdict == "passed"
    found = covered(Rigour(coverage_file="c.xml", coverage=51), half)
    assert (told(found), found.findings[0].path) == (["coverage"], "src/a.py")
    assert "51 % are asked for; not covered: src/a.py:3" in found.findings[0].why
    assert told(covered(Rigour(coverage_file="c.xml", coverage=51), None)) == ["coverage-missing"]
    assert told(covered(Rigour(coverage_file="c.xml", coverage=51), b"?")) == ["coverage-missing"]
    assert told(covered(Rigour(coverage_file="c.xml"), None)) == ["(coverage-missing)"]
    stale = covered(
        Rigour(coverage_file="c.xml", coverage=1), half, old={"c.xml": b""}, new={"c.xml": b""}
    )
    assert told(stale) == ["coverage-missing"], "a tracked file that the command did not write"


def test_results_are_one_for_each_test() -> None:
    both = iter([("a", Result(outcome="passed")), ("a", Result(outcome="error"))])
    found = junit.gathered("x", both)
    assert outcomes(found) == {"a": "error"}
