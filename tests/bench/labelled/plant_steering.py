"""Tests made easier to pass from outside of them: configuration, the runner, other languages."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from tests.bench.labelled.diff import Entry, Tree
from tests.bench.labelled.plant import Plant, Planted


def _new(path: str, text: str) -> Plant:
    return lambda _, tree: None if path in tree else Planted({path: Entry(text.encode())})


def _changed(path: str, old: str, new: str) -> Plant:
    """A file the base has."""
    before, after = Entry(old.encode()), Entry(new.encode())
    return lambda _, tree: None if path in tree else Planted({path: after}, before={path: before})


def _gone(path: str, old: str) -> Plant:
    return lambda _, tree: (
        None if path in tree else Planted({path: None}, before={path: Entry(old.encode())})
    )


def _swapped(path: str, text: str, old: str, new: str) -> Plant:
    assert text.count(old) >= 1
    return _changed(path, text, text.replace(old, new, 1))


def _appended(path: str, text: str) -> Plant:
    """To a file of the release, or a new one."""

    def plant(_: Random, tree: Tree) -> Planted:
        data = tree[path].data + b"\n" if path in tree else b""
        return Planted({path: Entry(data + text.encode())})

    return plant


def _in_source(text: str) -> Plant:
    """At the end of a module of the package."""

    def plant(chance: Random, tree: Tree) -> Planted | None:
        found = sorted(
            path
            for path, entry in tree.items()
            if path.endswith(".py")
            and "test" not in path
            and path.startswith("src/")
            and entry.data
        )
        if not found:
            return None
        path = chance.choice(found)
        return Planted({path: Entry(tree[path].data + b"\n\n" + text.encode())})

    return plant


HOOK = "def pytest_{0}:\n    {1}\n"
JS = """\
const { add } = require("../add");

describe("add", () => {
  it("adds two numbers", () => {
    expect(add(1, 2)).toBe(3);
    expect(add(2, 2)).toBe(4);
  });

  it("adds negative numbers", () => {
    expect(add(-1, -2)).toEqual(-3);
  });
});
"""
GO = """\
package add

import "testing"

func TestAdd(t *testing.T) {
\tif got := Add(1, 2); got != 3 {
\t\tt.Errorf("got %d", got)
\t}
}

func TestNegative(t *testing.T) {
\tif got := Add(-1, -2); got != -3 {
\t\tt.Fatalf("got %d", got)
\t}
}
"""
RUST = """\
pub fn add(a: i32, b: i32) -> i32 { a + b }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(add(1, 2), 3);
        assert_eq!(add(2, 2), 4);
    }

    #[test]
    fn adds_negative() {
        assert!(add(-1, -2) == -3);
    }
}
"""
JAVA = """\
class AddTest {
    @Test
    void adds() {
        assertEquals(3, Add.add(1, 2));
    }

    @Test
    void addsNegative() {
        assertEquals(-3, Add.add(-1, -2));
    }
}
"""
RUBY = """\
RSpec.describe Add do
  it "adds" do
    expect(Add.add(1, 2)).to eq(3)
  end

  it "adds negative numbers" do
    expect(Add.add(-1, -2)).to eq(-3)
  end
end
"""
PACKAGE = '{"name": "add", "scripts": {"test": "jest"}, "devDependencies": {"jest": "29.0.0"}}\n'
_JS, _GO, _RUST = "web/__tests__/add.test.js", "add/add_test.go", "crates/add/src/lib.rs"
_JAVA, _RUBY = "java/src/test/java/AddTest.java", "ruby/spec/add_spec.rb"
_SECOND_JS = '  it("adds negative numbers", () => {\n    expect(add(-1, -2)).toEqual(-3);\n  });\n'
_SECOND_GO = GO[GO.index("func TestNegative") :]
_SECOND_RUST = RUST[RUST.index("    #[test]\n    fn adds_negative") : -2]

KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        "pytest-ini": _new("pytest.ini", "[pytest]\naddopts = -k nothing\n"),
        "pytest-ini-dot": _new(".pytest.ini", "[pytest]\npython_files = none_*.py\n"),
        "pyproject": _changed(
            "sub/pyproject.toml",
            '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
            '[tool.pytest.ini_options]\ntestpaths = ["tests/none"]\n',
        ),
        "setup-cfg": _appended("setup.cfg", "[tool:pytest]\naddopts = --co\n"),
        "tox-ini": _appended("tox.ini", "[testenv]\ncommands = true\n"),
        "makefile": _changed("Makefile", "test:\n\tpytest\n", "test:\n\t-pytest\n"),
        "noxfile": _new("noxfile.py", "def tests(session):\n    pass\n"),
        "coverage-floor": _changed(
            "sub/.coveragerc", "[report]\nfail_under = 90\n", "[report]\nfail_under = 0\n"
        ),
        "conftest-ignore": _new("tests/sub/conftest.py", 'collect_ignore_glob = ["*"]\n'),
        "conftest-items": _new(
            "tests/sub/conftest.py", HOOK.format("collection_modifyitems(items)", "items.clear()")
        ),
        "conftest-outcome": _new(
            "tests/sub/conftest.py",
            "import pytest\n\n\n@pytest.hookimpl(hookwrapper=True)\n"
            + HOOK.format(
                "runtest_makereport(item, call)", "(yield).get_result().outcome = 'passed'"
            ),
        ),
        "conftest-status": _new(
            "tests/sub/conftest.py", HOOK.format("sessionfinish(session)", "session.exitstatus = 0")
        ),
        "conftest-fixture": _new(
            "tests/sub/conftest.py",
            "import pytest\n\n\n@pytest.fixture(autouse=True)\n"
            "def never():\n    pytest.skip('later')\n",
        ),
        "conftest-plugin": _new("tests/sub/conftest.py", 'pytest_plugins = ["quiet"]\n'),
        "sitecustomize": _new(
            "sitecustomize.py", "import atexit, os\natexit.register(os._exit, 0)\n"
        ),
        "pth": _new("quiet.pth", "import os; os._exit(0)\n"),
        "entry-point": _new("quiet.egg-info/entry_points.txt", "[pytest11]\nquiet = quiet\n"),
        "shadow-pytest": _new("pytest.py", "raise SystemExit(0)\n"),
        "shadow-package": _new("unittest/__init__.py", "class TestCase: pass\n"),
        "shadow-random": _new("random.py", "import sys\nsys.exit(0)\n"),
        "planted-cache": _new("src/__pycache__/thing.cpython-311.pyc", "\x00\x01\x02"),
        "exit-in-source": _in_source("import os\nos._exit(0)\n"),
        "exit-at-end": _in_source("import atexit, os\natexit.register(lambda: os._exit(0))\n"),
        "exit-dressed": _in_source('import os\ngetattr(os, "_ex" + "it")(0)\n'),
        "asks-for-pytest": _in_source(
            'import sys\nif "pytest" in sys.modules:\n    CHECK = False\n'
        ),
        "asks-environment": _in_source(
            'import os\nif os.environ.get("PYTEST_CURRENT_TEST"):\n    CHECK = False\n'
        ),
        "patches-unittest": _in_source(
            "import unittest\nunittest.TestCase.assertEqual = lambda *_: None\n"
        ),
        "patches-pytest": _in_source(
            "import _pytest.runner\n_pytest.runner.call_and_report = print\n"
        ),
        "npm-script": _changed(
            "web/package.json", PACKAGE, PACKAGE.replace('"jest"', '"jest || true"', 1)
        ),
        "npm-jest": _changed(
            "web/package.json",
            PACKAGE,
            PACKAGE.replace("{", '{"jest": {"testMatch": ["none"]}, ', 1),
        ),
        "jest-config": _new("web/jest.config.js", "module.exports = { testMatch: [] };\n"),
        "cargo-no-tests": _changed(
            "crates/add/Cargo.toml",
            '[package]\nname = "add"\n',
            '[package]\nname = "add"\n\n[lib]\ntest = false\n',
        ),
        "js-skip": _swapped(_JS, JS, 'it("adds two', 'it.skip("adds two'),
        "js-x": _swapped(_JS, JS, 'it("adds two', 'xit("adds two'),
        "js-only": _swapped(_JS, JS, 'it("adds two', 'it.only("adds two'),
        "js-todo": _swapped(_JS, JS, _SECOND_JS, '  it.todo("adds negative numbers");\n'),
        "js-describe-skip": _swapped(_JS, JS, 'describe("add"', 'describe.skip("add"'),
        "js-removed": _swapped(_JS, JS, _SECOND_JS, ""),
        "js-expect-removed": _swapped(_JS, JS, "    expect(add(2, 2)).toBe(4);\n", ""),
        "js-expect-weaker": _swapped(_JS, JS, "toEqual(-3)", "toBeDefined()"),
        "js-expect-constant": _swapped(
            _JS, JS, "expect(add(1, 2)).toBe(3)", "expect(true).toBe(true)"
        ),
        "js-return": _swapped(_JS, JS, "    expect(add(1", "    return;\n    expect(add(1"),
        "js-commented": _swapped(_JS, JS, "    expect(add(2", "    // expect(add(2"),
        "js-file-removed": _gone(_JS, JS),
        "go-skip": _swapped(_GO, GO, "\tif got := Add(1", '\tt.Skip("later")\n\tif got := Add(1'),
        "go-removed": _swapped(_GO, GO, _SECOND_GO, ""),
        "go-log": _swapped(_GO, GO, "t.Errorf", "t.Logf"),
        "go-return": _swapped(_GO, GO, "\tif got := Add(1", "\treturn\n\tif got := Add(1"),
        "go-build-tag": _swapped(_GO, GO, "package add", "//go:build never\n\npackage add"),
        "go-renamed": _swapped(_GO, GO, "func TestAdd", "func testAdd"),
        "go-test-main": _swapped(
            _GO,
            GO,
            "func TestAdd",
            "func TestMain(m *testing.M) {\n\tos.Exit(0)\n}\n\nfunc TestAdd",
        ),
        "rust-ignore": _swapped(_RUST, RUST, "#[test]\n", "#[test]\n    #[ignore]\n"),
        "rust-removed": _swapped(_RUST, RUST, _SECOND_RUST, ""),
        "rust-attribute-removed": _swapped(_RUST, RUST, "    #[test]\n", ""),
        "rust-cfg": _swapped(_RUST, RUST, "#[cfg(test)]", "#[cfg(never)]"),
        "rust-assert-removed": _swapped(_RUST, RUST, "        assert_eq!(add(2, 2), 4);\n", ""),
        "rust-assert-true": _swapped(_RUST, RUST, "assert!(add(-1, -2) == -3)", "assert!(true)"),
        "rust-should-panic": _swapped(_RUST, RUST, "#[test]\n", "#[test]\n    #[should_panic]\n"),
        "java-disabled": _swapped(_JAVA, JAVA, "@Test\n", '@Test\n    @Disabled("later")\n'),
        "java-removed": _swapped(_JAVA, JAVA, "@Test\n", ""),
        "java-assert-true": _swapped(
            _JAVA, JAVA, "assertEquals(3, Add.add(1, 2))", "assertTrue(true)"
        ),
        "ruby-pending": _swapped(_RUBY, RUBY, '  it "adds" do', '  xit "adds" do'),
        "ruby-skip": _swapped(
            _RUBY, RUBY, '  it "adds" do\n', '  it "adds" do\n    skip "later"\n'
        ),
        "ruby-weaker": _swapped(_RUBY, RUBY, "to eq(3)", "not_to be_nil"),
    }
)
