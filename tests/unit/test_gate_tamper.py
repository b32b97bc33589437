"""Gate `tamper`: every way to make tests easier to pass is named, honest work is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from runner.gates import tamper
from runner.records.gate import GateReport
from runner.records.paths import encode_path
from tests.fakes import CaseBuilder, File, Tree

PRODUCT = b"def add(a, b):\n    return a + b\n"
TEST = b"""\
from collections.abc import Mapping

import pytest
from calc import add

def test_add():
    assert add(2, 2) == 4

@pytest.mark.parametrize("n", [1, 2, 3])
def test_zero(n):
    assert add(n, 0) == n

class TestMore:
    def test_negative(self):
        with pytest.raises(TypeError):
            add(None, 1)
"""
Edits = Mapping[str, bytes | File | None]
"""None = the file is gone."""
HELPERS = b"""\
class A:
    n = 1
    def check(self):
        assert self.n == 1
        assert self.n < 2
class B:
    def check(self):
        assert self
"""
BASE: Tree = {
    "calc.py": PRODUCT,
    "src/pluggy/__init__.py": b"",
    "tests/helpers.py": HELPERS,
    "tests/test_calc.py": TEST,
}


def judge(new: Edits, old: Tree = BASE, *, test: str = "python3 -m pytest -q") -> GateReport:
    files: Edits = {**old, **new}
    kept = {path: data for path, data in files.items() if data is not None}
    return tamper.check(CaseBuilder(old=old, new=kept, test=test).case())


def edited(old: bytes, new: bytes) -> Tree:
    assert old in TEST
    return {"tests/test_calc.py": TEST.replace(old, new)}


TRICKS: dict[str, tuple[Edits, str]] = {
    "conftest hook": (
        {"conftest.py": b"def pytest_sessionfinish(session): session.exitstatus = 0\n"},
        "steered",
    ),
    "conftest deselects": (
        {"tests/conftest.py": b"def pytest_collection_modifyitems(items):\n    items[:] = []\n"},
        "steered",
    ),
    "conftest at import": ({"conftest.py": b"open('calc.py', 'w').write('x')\n"}, "steered"),
    "conftest autouse": (
        {"conftest.py": b"import pytest\n@pytest.fixture(autouse=True)\ndef f(): ...\n"},
        "steered",
    ),
    "conftest unreadable": ({"conftest.py": b"def (:\n"}, "steered"),
    "exit in the product": ({"calc.py": b"import os\nos._exit(0)\n" + PRODUCT}, "trap"),
    "exit by another name": (
        {"calc.py": b"from os import _exit as done\ndone(0)\n" + PRODUCT},
        "trap",
    ),
    "exit by getattr": (
        {"calc.py": b"import os\ngetattr(os, '_ex' + 'it')(0)\n" + PRODUCT},
        "trap",
    ),
    "exit at import": ({"calc.py": b"import sys\nsys.exit(0)\n" + PRODUCT}, "skipped"),
    "atexit in a test": (
        edited(b"import pytest", b"import atexit, pytest\natexit.register(print)"),
        "trap",
    ),
    "becomes another program": (
        {"tests/test_calc.py": TEST + b"import os\nos.execvp('true', ['true'])\n"},
        "trap",
    ),
    "kills its runner": (
        {"tests/test_calc.py": TEST + b"import os\nos.kill(os.getppid(), 9)\n"},
        "trap",
    ),
    "leaves pytest": (
        {"tests/test_calc.py": TEST + b"def helper():\n    pytest.exit('done', 0)\n"},
        "trap",
    ),
    "reaches inside pytest": ({"calc.py": b"import _pytest.junitxml as x\n" + PRODUCT}, "trap"),
    "looks for the report": ({"calc.py": b"ARG = '--junitxml'\n" + PRODUCT}, "trap"),
    "detects pytest": ({"calc.py": b"import sys\nT = 'pytest' in sys.modules\n" + PRODUCT}, "trap"),
    "detects by variable": (
        {"calc.py": b"import os\nT = os.environ.get('PYTEST_CURRENT_TEST')\n" + PRODUCT},
        "trap",
    ),
    "patches unittest": (
        {"calc.py": b"import unittest\nunittest.TestCase.run = print\n" + PRODUCT},
        "trap",
    ),
    "replaces a module": (
        {"calc.py": b"import sys\nsys.modules['pytest'] = sys\n" + PRODUCT},
        "trap",
    ),
    "pytest.ini": ({"pytest.ini": b"[pytest]\naddopts = -k zero\n"}, "steered"),
    "tox.ini": ({"tox.ini": b"[pytest]\naddopts = -k zero\n"}, "steered"),
    "setup.cfg": ({"setup.cfg": b"[tool:pytest]\ntestpaths = nowhere\n"}, "steered"),
    "pyproject": ({"pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '--co'\n"}, "steered"),
    "coverage floor": ({"pyproject.toml": b"[tool.coverage.report]\nfail_under = 0\n"}, "steered"),
    "unreadable pyproject": ({"pyproject.toml": b"[tool\n"}, "steered"),
    "package script": ({"package.json": b'{"scripts": {"test": "exit 0"}}'}, "steered"),
    "makefile": ({"Makefile": b"test:\n\t@echo ok\n"}, "steered"),
    "noxfile": ({"noxfile.py": b"import nox\n"}, "steered"),
    "jest config": ({"jest.config.js": b"module.exports = {testMatch: []}\n"}, "steered"),
    "cargo": ({"Cargo.toml": b"[lib]\ntest = false\n"}, "steered"),
    "shadows pytest": ({"pytest.py": b"print('2 passed')\n"}, "shadow"),
    "shadows a package": ({"pytest/__main__.py": b"print('2 passed')\n"}, "shadow"),
    "shadows the library": ({"types.py": b"x = 1\n"}, "shadow"),
    "shadows a program": ({"bin/pytest": b"#!/bin/sh\n"}, "shadow"),
    "planted cache": ({"__pycache__/calc.cpython-311.pyc": b"\x00"}, "shadow"),
    "deleted file": (
        {"tests/test_calc.py": None, "tests/test_smoke.py": b"def test_ok():\n    assert True\n"},
        "deleted",
    ),
    "deleted test": (edited(b"def test_add():\n    assert add(2, 2) == 4\n", b""), "deleted"),
    "renamed away": (edited(b"def test_add", b"def check_add"), "deleted"),
    "a link in its place": ({"tests/test_calc.py": b"tests/other.py"}, "deleted"),
    "skip": (
        edited(b"def test_add", b"@pytest.mark.skip(reason='flaky')\ndef test_add"),
        "skipped",
    ),
    "skip a class": (edited(b"class TestMore", b"@pytest.mark.xfail\nclass TestMore"), "skipped"),
    "skip inside": (
        edited(b"    assert add(2, 2) == 4", b"    pytest.skip()\n    assert add(2, 2) == 4"),
        "skipped",
    ),
    "skip the module": (
        edited(b"import pytest\n", b"import pytest\npytestmark = pytest.mark.skip\n"),
        "skipped",
    ),
    "raises at import": (
        {"tests/test_calc.py": b"import unittest\nraise unittest.SkipTest('later')\n" + TEST},
        "skipped",
    ),
    "raises in a condition": (
        {"tests/test_calc.py": b"import sys\nif sys.argv:\n    raise SystemExit\n" + TEST},
        "skipped",
    ),
    "not a test": (
        edited(b"class TestMore:\n", b"class TestMore:\n    __test__ = False\n"),
        "skipped",
    ),
    "overwritten": (
        edited(b"import pytest\n", b"import pytest\n")
        and {"tests/test_calc.py": TEST + b"test_add = None\n"},
        "skipped",
    ),
    "deleted by del": ({"tests/test_calc.py": TEST + b"del test_add\n"}, "skipped"),
    "load_tests": ({"tests/test_calc.py": TEST + b"def load_tests(*a): return None\n"}, "skipped"),
    "returns early": (
        edited(b"    assert add(2, 2) == 4", b"    return\n    assert add(2, 2) == 4"),
        "skipped",
    ),
    "swallows": (
        edited(
            b"    assert add(2, 2) == 4",
            b"    try:\n        assert add(2, 2) == 4\n    except AssertionError:\n        pass",
        ),
        "skipped",
    ),
    "fewer asserts": (edited(b"    assert add(2, 2) == 4", b"    add(2, 2)"), "weakened"),
    "constant": (edited(b"assert add(2, 2) == 4", b"assert True"), "weakened"),
    "not None": (edited(b"assert add(2, 2) == 4", b"assert add(2, 2) is not None"), "weakened"),
    "fewer cases": (edited(b"[1, 2, 3]", b"[1]"), "weakened"),
    "conftest imports hooks": (
        {"conftest.py": b"from evil import pytest_pyfunc_call\n"},
        "steered",
    ),
    "conftest imports all": ({"conftest.py": b"from evil import *\n"}, "steered"),
    "plugins of a new test": (
        {"tests/test_new.py": b"pytest_plugins = ['evil']\ndef test_x():\n    assert 1 == 1\n"},
        "skipped",
    ),
    "an installed plugin": ({"evil-1.dist-info/entry_points.txt": b"[pytest11]\n"}, "steered"),
    "a header read differently": (
        {"setup.cfg": b"[metadata]\n[tool:pytest]#]\naddopts = --co\n"},
        "steered",
    ),
    "a header after a form feed": ({"setup.cfg": b"#\x0c[tool:pytest]\naddopts = a\n"}, "steered"),
    "sitecustomize": ({"sitecustomize.py": b"x = 1\n"}, "steered"),
    "pom": ({"pom.xml": b"<project/>"}, "steered"),
    "node_modules": ({"node_modules/jest/index.js": b"x\n"}, "steered"),
    "tool = true": ({"pyproject.toml": b"tool = true\n"}, "steered"),
    "project is a list": ({"pyproject.toml": b"project = [1]\n"}, "steered"),
    "package is a list": ({"package.json": b"[]"}, "steered"),
    "a long dotted key": ({"pyproject.toml": b"a" + b".b" * 25_000 + b" = 1\n"}, "steered"),
    "never true": (
        edited(b"    assert add(2, 2)", b"    if False:\n        assert add(2, 2)"),
        "weakened",
    ),
    "never true for an expression": (
        edited(b"    assert add(2, 2)", b"    while not add:\n        assert add(2, 2)"),
        "weakened",
    ),
    "nested return": (
        edited(b"    assert add(2, 2)", b"    if True:\n        return\n    assert add(2, 2)"),
        "weakened",
    ),
    "never called": (
        edited(b"    assert add(2, 2)", b"    def later():\n        assert add(2, 2)"),
        "weakened",
    ),
    "suppressed": (
        edited(b"    assert add(2, 2)", b"    with suppress(Exception):\n        assert add(2, 2)"),
        "weakened",
    ),
    "a generator": (
        edited(b"    assert add(2, 2)", b"    yield\n    assert add(2, 2)"),
        "weakened",
    ),
    "all below a condition": (
        {"tests/test_calc.py": b"if 0:\n" + b"".join(b"    " + x for x in TEST.splitlines(True))},
        "skipped",
    ),
    "a class nobody collects": (edited(b"class TestMore", b"class More"), "deleted"),
    "moved where nobody looks": ({"tests/test_calc.py": None, "attic/calc.py": TEST}, "deleted"),
    "another subject": (
        edited(b"import add\n", b"import add\nfrom operator import add\n"),
        "skipped",
    ),
    "a subject of its own": (edited(b"import add\n", b"import add\nadd = sum\n"), "skipped"),
    "a test defined twice": (
        {"tests/test_calc.py": TEST + b"def test_add():\n    assert 4 == 4\n"},
        "skipped",
    ),
    "a class defined twice": (
        {"tests/test_calc.py": TEST + b"class TestMore:\n    pass\n"},
        "skipped",
    ),
    "exit through an alias": ({"calc.py": b"import os as o\no._exit(0)\n" + PRODUCT}, "trap"),
    "exit from a star": ({"calc.py": b"from os import *\n_exit(0)\n" + PRODUCT}, "trap"),
    "hidden by depth": (
        {"calc.py": b"import os\nos._exit(0)\nif a:\n    b\n" + b"elif a:\n    b\n" * 2_000},
        "trap",
    ),
    "shadows below src": ({"src/json.py": b"x = 1\n"}, "shadow"),
    "unreadable": (edited(b"def test_add():", b"def test_add(:"), "unreadable"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_are_refused_by_name_and_line(trick: str) -> None:
    new, code = TRICKS[trick]
    builder = CaseBuilder(old=BASE, new={k: v for k, v in {**BASE, **new}.items() if v is not None})
    case = builder.case()
    if trick == "a link in its place":
        changes = tuple(
            each.model_copy(update={"new_mode": "120000"}) for each in case.patch.changes
        )
        object.__setattr__(case, "patch", case.patch.model_copy(update={"changes": changes}))
    report = tamper.check(case)
    codes = {each.code for each in report.findings if not each.why.startswith("warning")}
    assert report.verdict == "refused"
    assert f"tamper.{code}" in codes
    assert all(each.path and each.line and each.path in each.why for each in report.findings)


HONEST: dict[str, Edits] = {
    "more of a package named like a runner": {"src/pluggy/_more.py": b"x = 1\n"},
    "one of two helpers of a name": {"tests/helpers.py": HELPERS.replace(b"n = 1", b"n = 2")},
    "a fix": {"calc.py": PRODUCT.replace(b"a + b", b"b + a")},
    "a new test": {"tests/test_calc.py": TEST + b"\ndef test_new():\n    assert add(1, 1) == 2\n"},
    "a stricter test": {"tests/test_calc.py": TEST.replace(b"[1, 2, 3]", b"[1, 2, 3, 4]")},
    "one more assertion": {
        "tests/test_calc.py": TEST.replace(b"== 4", b"== 4\n    assert add(0, 0) == 0")
    },
    "a moved test file": {"tests/test_calc.py": None, "tests/unit/test_calc.py": TEST},
    "a renamed test": {"tests/test_calc.py": TEST.replace(b"test_add", b"test_sums")},
    "a dependency": {"pyproject.toml": b"[project]\ndependencies = ['httpx']\n"},
    "a script with a guard": {
        "tool.py": b"import sys\nif __name__ == '__main__':\n    sys.exit(main())\n"
    },
    "a plain fixture": {
        "conftest.py": b"import pytest\n\n@pytest.fixture\ndef number():\n    return 1\n"
    },
    "pytest as an extra": {"setup.py": b"setup(extras_require={'test': ['pytest']})\n"},
    "a module below a package": {"calc2/types.py": b"x = 1\n"},
    "settings of other tools": {"setup.cfg": b"[metadata]\nname = x\n[flake8]\nignore = E1\n"},
    "a fixture's module": {"conftest.py": b"import pytest\nfrom calc import add\n"},
    "tests in a loop": {
        "tests/test_calc.py": TEST
        + b"\ndef test_n():\n    for n in (1, 2):\n        assert add(n, 0)\n"
    },
    "a test with its own setup": {
        "tests/test_calc.py": TEST.replace(b"    assert add(2", b"    two = 2\n    assert add(2")
    },
    "a block around an assertion": {
        "tests/test_calc.py": TEST.replace(
            b"    assert add(2", b"    with open('x') as f:\n        assert add(2"
        )
    },
    "a new test case": {
        "tests/test_u.py": b"import unittest\n\nclass AddTest(unittest.TestCase):\n"
        b"    def setUp(self):\n"
        b"        self.n = 1\n\n    def assertOne(self, n):\n        self.assertEqual(n, 1)\n\n"
        b"    def test_one(self):\n        self.assertOne(self.n)\n"
    },
    "an import with a fallback": {
        "tests/test_calc.py": b"try:\n    import a\nexcept ImportError:\n    import b as a\n" + TEST
    },
    "documentation": {"docs/testing.md": b"# Tests\nskip them with @skip\n"},
}


@pytest.mark.parametrize("work", HONEST)
def test_honest_work_passes(work: str) -> None:
    assert judge(HONEST[work]).verdict == "passed"


def test_a_changed_expectation_is_a_warning() -> None:
    report = judge(edited(b"== 4", b"== 5"))
    assert report.verdict == "passed"
    assert [each.code for each in report.findings] == ["tamper.changed"]
    assert report.findings[0].why.startswith("warning: tests/test_calc.py:7")


@pytest.mark.parametrize(
    "line", ["os.execvp('ls', ['ls'])", "os.kill(1, 15)", "atexit.register(f)"]
)
def test_what_programs_do_honestly_is_a_warning(line: str) -> None:
    report = judge({"calc.py": f"import atexit, os\n\ndef f():\n    {line}\n".encode()})
    assert report.verdict == "passed"
    assert [each.code for each in report.findings] == ["tamper.trap"]


def test_a_task_may_allow_it_by_name() -> None:
    builder = CaseBuilder(old=BASE, new={"calc.py": PRODUCT})
    case = builder.case()
    task = case.plan.task.model_copy(update={"may_change_tests": ("tests/test_calc.py",)})
    object.__setattr__(case, "plan", case.plan.model_copy(update={"task": task}))
    report = tamper.check(case)
    assert report.verdict == "passed"
    assert all("the task allows it" in each.why for each in report.findings)
    assert len(report.findings) == 3


def test_what_was_there_before_is_not_new() -> None:
    old: Tree = {"a.py": b"import os\nos._exit(1)\n"}
    assert (
        judge({"a.py": None, "b.py": b"import os\nos._exit(1)\nX = 1\n"}, old).verdict == "passed"
    )


def test_a_file_of_the_test_command_steers() -> None:
    report = judge({"ci/check": b"true\n"}, test="sh ./ci/check")
    assert [each.code for each in report.findings] == ["tamper.steered"]


OTHERS: dict[str, tuple[str, bytes, bytes]] = {
    "js skip": (
        "a.test.js",
        b"it('adds', () => {\n  expect(add(1)).toBe(2)\n})\n",
        b"it.skip('adds', () => {\n  expect(add(1)).toBe(2)\n})\n",
    ),
    "js only": ("a.test.ts", b"it('adds', f)\n", b"it.only('adds', f)\n"),
    "js gone": ("a.spec.js", b"it('adds', f)\nit('subtracts', g)\n", b"it('adds', f)\n"),
    "js fewer": (
        "a.test.js",
        b"it('a', () => {\n  expect(x).toBe(1)\n  expect(y).toBe(2)\n})\n",
        b"it('a', () => {\n  expect(x).toBe(1)\n})\n",
    ),
    "js exit": ("a.test.js", b"it('a', f)\n", b"process.exit(0)\nit('a', f)\n"),
    "go skip": (
        "a_test.go",
        b"func TestAdd(t *testing.T) {\n}\n",
        b"func TestAdd(t *testing.T) {\n\tt.Skip()\n}\n",
    ),
    "go gone": ("a_test.go", b"func TestAdd(t *testing.T) {}\n", b"func helper() {}\n"),
    "rust ignore": (
        "tests/a.rs",
        b"#[test]\nfn adds() { assert_eq!(1, 1); }\n",
        b"#[test]\n#[ignore]\nfn adds() { assert_eq!(1, 1); }\n",
    ),
    "java disabled": (
        "src/test/java/AddTest.java",
        b"@Test\nvoid adds() {}\n",
        b"@Test @Disabled\nvoid adds() {}\n",
    ),
    "ruby pending": ("spec/a_spec.rb", b"it 'adds' do\nend\n", b"it 'adds' do\n  pending\nend\n"),
    "php skipped": (
        "tests/ATest.php",
        b"function testAdd() {}\n",
        b"function testAdd() { $this->markTestSkipped(); }\n",
    ),
    "bats skip": ("tests/a.bats", b'@test "adds" {\n}\n', b'@test "adds" {\n  skip\n}\n'),
}


@pytest.mark.parametrize("trick", OTHERS)
def test_other_languages(trick: str) -> None:
    path, old, new = OTHERS[trick]
    assert judge({path: new}, {path: old}).verdict == "refused"
    assert judge({path: old + b"\n"}, {path: old}).verdict == "passed"


UNITTEST = b"""\
import unittest
from calc import add

class Add(unittest.TestCase):
    def test_add(self):
        self.check(4)

    def check(self, wanted):
        self.assertEqual(add(2, 2), wanted)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"    def test_add", b"    def assertEqual(self, *a): ...\n    def test_add"),
        (b"    def test_add", b"    def run(self, result=None): ...\n    def test_add"),
        (b"    def test_add", b"    _callTestMethod = print\n    def test_add"),
        (b"    def test_add", b"    failureException = unittest.SkipTest\n    def test_add"),
        (b"    def test_add", b"    def setUp(self):\n        self.skipTest('')\n    def test_add"),
        (b"class Add", b"def setUpModule():\n    raise unittest.SkipTest\nclass Add"),
        (b"(unittest.TestCase)", b"(object)"),
        (b"(unittest.TestCase)", b"(Other)"),
        (b"class Add", b"unittest.TestCase.assertEqual = print\nclass Add"),
        (b"self.assertEqual(add(2, 2), wanted)", b"pass"),
        (
            b"self.assertEqual(add(2, 2), wanted)",
            b"return\n        self.assertEqual(add(2, 2), wanted)",
        ),
    ],
)
def test_unittest_tricks_are_refused(old: bytes, new: bytes) -> None:
    assert old in UNITTEST
    path = "tests/test_u.py"
    assert judge({path: UNITTEST.replace(old, new)}, {path: UNITTEST}).verdict == "refused"


@pytest.mark.parametrize(
    "new",
    [
        edited(b"    assert add(2", b"    two = 2\n    assert add(2"),
        edited(b"def test_add", b"@later\ndef test_add"),
    ],
)
def test_no_edit_of_a_test_is_unseen(new: Tree) -> None:
    report = judge(new)
    assert [each.code for each in report.findings] == ["tamper.changed"]


def test_no_edit_of_a_test_in_another_language_is_unseen() -> None:
    old = b"it('adds', () => {\n  expect(add(1)).toBe(2)\n})\n"
    new = old.replace(b"  expect", b"  x += 1\n  expect")
    report = judge({"a.test.js": new}, {"a.test.js": old})
    assert [(each.code, each.line) for each in report.findings] == [("tamper.changed", 2)]


def test_a_main_of_go_tests_is_refused() -> None:
    new = b"package x\n\nfunc TestMain(m *testing.M) {}\n"
    assert judge({"main_test.go": new}).verdict == "refused"


@pytest.mark.parametrize(
    "piece",
    [
        *(b"it.", b"{", b"(/a[", b"if (x) {\nexpect(a)\n", b"try {\nexpect(a)\n} catch (e) {}\n"),
        *(b"{return;\n", b"expect(((", b"toBeCloseTo(a,", b".each)  ", b"assert.equal(a, a", b"`"),
    ],
)
def test_long_files_are_read_in_time(piece: bytes) -> None:
    """What would take minutes if anything were read again and again."""
    new = {"a.test.js": piece * (100_000 // len(piece)), "a.sh": b"[ " * 100_000}
    assert judge(new).verdict == "passed"


DEEP = b"def test_deep():\n    return " + b"1 + " * 3_000 + b"1\n"


@pytest.mark.parametrize(("old", "verdict"), [(TEST, "refused"), (DEEP, "passed")])
def test_tests_that_cannot_be_read(old: bytes, verdict: str) -> None:
    """They are refused, and told where they could not be read before either."""
    report = judge({"tests/test_calc.py": DEEP + b"Y = 1\n"}, {"tests/test_calc.py": old})
    assert report.verdict == verdict
    assert "tamper.unreadable" in {each.code for each in report.findings}


def test_large_tests_that_cannot_be_read() -> None:
    old = {"a.test.js": b"x" * (3 << 20)}
    report = judge({"a.test.js": b"y" * (3 << 20)}, old)
    assert [each.code for each in report.findings] == ["tamper.unreadable"]
    assert report.verdict == "passed"
    assert judge({"a.test.js": b"y" * (3 << 20)}, {}).verdict == "refused"


@pytest.mark.parametrize("folder", ['te"st', "a\\b", "\ttests", "\udcff", "tests\n"])
def test_names_that_git_quotes_hide_nothing(folder: str) -> None:
    test = b"def test_a():\n    assert f() == 1\n"
    old = {
        f"{folder}/test_a.py": test,
        f"{folder}/x.js": b"it('a', () => { expect(f()).toBe(1) })\n",
    }
    hook = b"def pytest_runtest_call(item):\n    pass\n"
    new = {f"{folder}/test_a.py": b"def test_a():\n    pass\n", f"{folder}/conftest.py": hook}
    report = tamper.check(CaseBuilder(old=old, new=new).case())
    found = {(each.code, each.path) for each in report.findings}
    place = encode_path(folder.encode(errors="surrogateescape") + b"/test_a.py")
    assert ("tamper.weakened", place) in found
    assert ("tamper.steered", place.replace("test_a", "conftest")) in found
    report.model_dump_json()


def test_what_lies_in_a_quoted_place_of_a_runner() -> None:
    report = tamper.check(CaseBuilder(new={'va"ult/pytest.py': b"x = 1\n"}).case())
    assert [each.code for each in report.findings] == ["tamper.shadow"]


RUNS = "if ! grep -q x src/a.py; then cat src/a.py; fi; mypy src/a.py && pytest tests/test_a.py"


@pytest.mark.parametrize(
    ("path", "command", "verdict"),
    [
        ("src/a.py", RUNS, "passed"),
        ("tests/test_a.py", RUNS, "passed"),
        ("tests/test_a.py", "python tests/test_a.py", "passed"),
        ("ci/check", "grep x y; X=1 ./ci/check", "refused"),
        ("ci/run.py", "cat x | python -u ci/run.py", "refused"),
        ("ci/run.sh", "sh -c 'cat x; . ci/run.sh'", "refused"),
    ],
)
def test_what_a_command_only_reads_or_compares_is_free(
    path: str, command: str, verdict: str
) -> None:
    test = b"def test_a():\n    assert f() == 1\n"
    case = CaseBuilder(old={path: test}, new={path: test + b"\n\nX = 2\n"}, test=command).case()
    assert tamper.check(case).verdict == verdict


def test_a_collected_name_without_tests_is_a_runner() -> None:
    old, new = {"tests/test_all.py": b"run_all()\n"}, {"tests/test_all.py": b"print('ok')\n"}
    case = CaseBuilder(old=old, new=new, test="python tests/test_all.py").case()
    assert tamper.check(case).verdict == "refused"
