"""Classes of ways to weaken tests: each is named with its line, its honest twin is not refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from runner.gates import tamper
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder, Tree

PY = b"""\
import pytest
from calc import add
from tests.helpers import near

CASES = [(1, 2), (2, 3)]
PARAMS = [1, 2]

@pytest.fixture
def two():
    return add(1, 1)

def test_add(two):
    total = add(two, 2)
    assert total == 4

@pytest.mark.parametrize("n", [1, 2])
def test_zero(n):
    assert add(n, 0) == n

@pytest.mark.parametrize("n", PARAMS)
def test_one(n):
    assert add(n, 1) > n

def test_cases():
    for n, wanted in CASES:
        assert add(n, 1) == wanted

def test_near():
    assert add(0.1, 0.2) == pytest.approx(0.3, abs=1e-9)

def test_raises():
    with pytest.raises(TypeError):
        add(None, 1)
"""
UNIT = b"""\
import unittest
import calc

class Add(unittest.TestCase):
    def setUp(self):
        self.two = 2

    def test_add(self):
        self.assertEqual(calc.add(self.two, 2), 4)

    def test_third(self):
        self.assertAlmostEqual(calc.add(0.1, 0.2), 0.3, 7)
"""
JS = b"""\
import { add } from '../calc'

describe('add', () => {
  it('adds', async () => {
    const total = add(2, 2)
    expect(total).toBe(4)
  })

  it('rejects', async () => {
    await expect(add(null)).rejects.toThrow('null')
  })

  it.each([
    [1, 2, 3],
    [2, 2, 4],
  ])('adds %i', (a, b, c) => {
    expect(add(a, b)).toBe(c)
  })

  it('is near', () => {
    expect(add(0.1, 0.2)).toBeCloseTo(0.3, 5)
  })
})
"""
GO = b"""\
package calc

import "testing"

func TestAdd(t *testing.T) {
	got := Add(2, 2)
	if got != 4 {
		t.Errorf("got %d", got)
	}
}

func TestTable(t *testing.T) {
	for _, c := range []struct{ a, b, sum int }{
		{1, 2, 3},
		{2, 2, 4},
	} {
		if Add(c.a, c.b) != c.sum {
			t.Fatal("no")
		}
	}
}
"""
RUST = b"""\
pub fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        let total = add(2, 2);
        assert_eq!(total, 4);
    }

    #[test]
    fn subtracts() {
        assert_eq!(add(2, -2), 0);
    }
}
"""
P, U, J, G, R = (
    "tests/test_calc.py",
    "tests/test_u.py",
    "tests/calc.test.js",
    "calc_test.go",
    "src/lib.rs",
)
HELPERS = b"def near(a, b):\n    return abs(a - b) < 1\n"
CONFTEST = b"import pytest\n\n@pytest.fixture\ndef home():\n    return 1\n"
MAKE = b"all: build\n\nbuild:\n\tcc a.c\n\ntest: build\n\t./ci/check\n"
B = "spec/calc_spec.rb"
RUBY = b"it 'adds' do\n  expect(add(2, 2)).to eq(4)\nend\n"
BASE: Tree = {
    B: RUBY,
    "calc.py": b"def add(a, b):\n    return a + b\n",
    P: PY,
    U: UNIT,
    J: JS,
    G: GO,
    R: RUST,
    "tests/helpers.py": HELPERS,
    "tests/conftest.py": CONFTEST,
    "Makefile": MAKE,
    "ci/check": b"#!/bin/sh\nsh ci/more.sh\n",
    "ci/more.sh": b"pytest\n",
    "docs/a.sh": b"ls\n",
    "package.json": b'{"scripts": {"test": "node ci/run.mjs"}}',
    "ci/run.mjs": b"run()\n",
    "tests/__snapshots__/a.snap": b"exports[`adds 1`] = `4`;\n",
    "tests/data/expected.json": b'{"sum": 4}\n',
}


@dataclass(frozen=True)
class Pair:
    """A way to cheat, and honest work that looks like it."""

    trick: Mapping[str, bytes | None]
    honest: Mapping[str, bytes | None]
    line: int | None = None
    """Where the trick is named; None = at whatever line."""
    warned: bool = False
    """It is a warning with a reason: a person has to look."""
    test: str = "python3 -m pytest -q"


def py(old: str, new: str) -> dict[str, bytes | None]:
    return swap(P, old, new)


def swap(path: str, old: str, new: str) -> dict[str, bytes | None]:
    data = BASE[path]
    assert isinstance(data, bytes) and old.encode() in data, old
    return {path: data.replace(old.encode(), new.encode(), 1)}


def js(old: str, new: str) -> dict[str, bytes | None]:
    return swap(J, old, new)


def go(old: str, new: str) -> dict[str, bytes | None]:
    return swap(G, old, new)


def rust(old: str, new: str) -> dict[str, bytes | None]:
    return swap(R, old, new)


def unit(old: str, new: str) -> dict[str, bytes | None]:
    return swap(U, old, new)


PY_ADD = "    assert total == 4\n"
JS_ADD = "    expect(total).toBe(4)\n"
GO_IF = "\tif got != 4 {\n"
RUST_ADD = "        assert_eq!(total, 4);\n"

PYTHON = {
    "returns before": Pair(
        py("    total", "    if two: return\n    total"),
        py("    total", "    two += 0\n    total"),
        15,
    ),
    "a constant condition": Pair(
        py(PY_ADD, f"    if 0:\n    {PY_ADD}"), py(PY_ADD, f"    with two:\n    {PY_ADD}"), 15
    ),
    "return in finally": Pair(
        py(PY_ADD, f"    try:\n    {PY_ADD}    finally:\n        return\n"),
        py(PY_ADD, f"    try:\n    {PY_ADD}    finally:\n        print()\n"),
        17,
    ),
    "broad except": Pair(
        py(PY_ADD, f"    try:\n    {PY_ADD}    except Exception:\n        pass\n"),
        py(PY_ADD, f"    try:\n    {PY_ADD}    except Exception:\n        raise\n"),
        16,
    ),
    "failureException": Pair(
        unit(
            "        self.assertEqual(calc.add(self.two, 2), 4)",
            "        try:\n            self.assertEqual(calc.add(self.two, 2), 4)\n"
            "        except self.failureException:\n            pass",
        ),
        unit(
            "        self.assertEqual(calc",
            "        with self.subTest():\n          self.assertEqual(calc",
        ),
        11,
    ),
    "suppress": Pair(
        py(PY_ADD, f"    with suppress(AssertionError):\n    {PY_ADD}"),
        py(PY_ADD, f"    with open('x') as f:\n    {PY_ADD}"),
        15,
    ),
    "raises around": Pair(
        py(PY_ADD, f"    with pytest.raises(Exception):\n    {PY_ADD}"),
        py("    total", "    with pytest.raises(TypeError):\n        add(two)\n    total"),
    ),
    "compared with itself": Pair(py("== 4", "== total"), py("== 4", "== 2 + 2")),
    "a tuple is true": Pair(
        py("total == 4", "(total == 4, 'wrong')"), py("total == 4", "total == 4, 'wrong'")
    ),
    "or True": Pair(
        py("total == 4", "total == 4 or True"), py("total == 4", "total == 4 and True")
    ),
    "a text is true": Pair(py("total == 4", "'total == 4'"), py("== 4", "== int('4')")),
    "two constants": Pair(py("total == 4", "4 == 4"), py("== 4", "== 8 // 2")),
    "a length": Pair(
        py("total == 4", "len(str(total)) >= 0"),
        py(PY_ADD, f"{PY_ADD}    assert len(str(total)) >= 0\n"),
    ),
    "ANY": Pair(py("== 4", "== mock.ANY"), py("== 4", "== four")),
    "assertEqual with itself": Pair(
        unit("(calc.add(self.two, 2), 4)", "(calc, calc)"),
        unit("self.two, 2), 4)", "2, self.two), 4)"),
    ),
    "only not equal": Pair(py("== 4", "!= 5"), py("assert total == 4", "assert 4 == total")),
    "a range": Pair(
        py("total == 4", "total in range(9)"), py("total == 4", "total == 4 and total in range(9)")
    ),
    "any exception": Pair(
        py("raises(TypeError)", "raises(Exception)"),
        py("raises(TypeError)", "raises(ValueError)"),
        32,
    ),
    "wider abs": Pair(py("abs=1e-9", "abs=0.5"), py("abs=1e-9", "abs=1e-10"), 29),
    "wider rel": Pair(
        py("abs=1e-9", "abs=1e-9, rel=0.5"), py("abs=1e-9", "abs=1e-9, rel=1e-9"), 29
    ),
    "fewer places": Pair(unit("0.3, 7)", "0.3, 0)"), unit("0.3, 7)", "0.3, 9)"), 12),
    "a delta": Pair(unit("0.3, 7)", "0.3, delta=1)"), unit("0.3, 7)", "0.3, places=7)"), 12),
    "roughly": Pair(
        py("total == 4", "total == pytest.approx(4, abs=1e9)"),
        py("total == 4", "total == pytest.approx(4)"),
        14,
    ),
    "a test becomes a fixture": Pair(
        py("def test_add", "@pytest.fixture\ndef test_add"),
        {P: PY + b"\n@pytest.fixture\ndef a_test():\n    return 1\n"},
    ),
    "handed to nobody": Pair(
        py(PY_ADD, f"    def later():\n    {PY_ADD}    print(later)\n"),
        py(PY_ADD, f"    def later():\n    {PY_ADD}    two(later)\n"),
    ),
    "no parameters": Pair(py('"n", [1, 2]', '"n", []'), py('"n", [1, 2]', '"n", (2, 1)')),
    "no parameters by name": Pair(
        py("PARAMS = [1, 2]", "PARAMS = []"), py("PARAMS = [1, 2]", "PARAMS = [1, 2, 3]")
    ),
    "a parameter is skipped": Pair(
        py('"n", [1, 2]', '"n", [1, pytest.param(2, marks=pytest.mark.skip)]'),
        py('"n", [1, 2]', '"n", [1, pytest.param(2, id="two")]'),
    ),
    "no cases to go through": Pair(
        py("[(1, 2), (2, 3)]", "[]"), py("[(1, 2), (2, 3)]", "[(1, 2), (3, 4)]"), 5
    ),
    "fewer cases to go through": Pair(
        py("[(1, 2), (2, 3)]", "[(1, 2)]"), py("CASES = [", "CASES = [(0, 1), "), 5, warned=True
    ),
    "a fixture answers": Pair(
        py("return add(1, 1)", "return 2"),
        py("def two():", 'def two():\n    """2"""'),
        9,
        warned=True,
    ),
    "a helper answers": Pair(
        swap("tests/helpers.py", "abs(a - b) < 1", "True"),
        {"tests/helpers.py": HELPERS + b"\ndef far(a): return 9\n"},
        1,
        warned=True,
    ),
    "a double of what it calls": Pair(
        py(
            "test_add(two):\n",
            "test_add(two, monkeypatch):\n    monkeypatch.setattr('calc.add', lambda a, b: 4)\n",
        ),
        py(
            "test_add(two):\n", "test_add(two, monkeypatch):\n    monkeypatch.setenv('HOME', '/')\n"
        ),
        13,
    ),
    "a double by decorator": Pair(
        unit("    def test_add", "    @patch('calc.add', return_value=4)\n    def test_add"),
        unit("    def test_add", "    @patch('calc.log')\n    def test_add"),
    ),
    "a double by assignment": Pair(
        unit("        self.assertEqual", "        calc.add = max\n        self.assertEqual"),
        unit("        self.assertEqual", "        two = 2\n        self.assertEqual"),
    ),
    "a local subject": Pair(
        py("    total", "    add = max\n    total"),
        py("    total", "    more = max\n    total"),
        13,
    ),
    "a local import": Pair(
        py("    total", "    from fake import add\n    total"),
        py("    total", "    from math import inf\n    total"),
        13,
    ),
    "another origin": Pair(
        py("from calc import add", "from tests.fakes import add"),
        py("from calc import add", "from calc.core import add"),
        2,
    ),
    "another origin of its own": Pair(
        py("from calc import add", "from other import add"),
        py("from calc import add", "from calc import add, log"),
        2,
        warned=True,
    ),
    "rebound in an if": Pair(
        py("CASES =", "if CASES is None or 1:\n    from fake import add\nCASES ="),
        py("CASES =", "if 1:\n    from fake import sub\nCASES ="),
        6,
    ),
    "rebound in a try": Pair(
        py("CASES =", "try:\n    add = max\nexcept OSError:\n    pass\nCASES ="),
        py(
            "import pytest\n",
            "try:\n    import a\nexcept ImportError:\n    import b as a\nimport pytest\n",
        ),
    ),
    "rebound by a loop": Pair(
        py("CASES =", "for add in [max]: pass\nCASES ="),
        py("CASES =", "for n in [max]: pass\nCASES ="),
    ),
    "a test in an if": Pair(
        {P: PY + b"if 1:\n    def test_add():\n        pass\n"},
        {P: PY + b"if 1:\n    def test_more():\n        assert add(1, 1) == 2\n"},
    ),
    "a test by a walrus": Pair({P: PY + b"(test_add := None)\n"}, {P: PY + b"(more := None)\n"}),
    "globals": Pair(
        {P: PY + b"globals()['test_add'] = None\n"},
        {P: PY + b"NAMES = {}\nNAMES['test_add'] = None\n"},
    ),
    "globals deleted": Pair({P: PY + b"del globals()['test_add']\n"}, {P: PY + b"x = 1\ndel x\n"}),
    "exec": Pair({P: PY + b"exec('def test_add(): pass')\n"}, {P: PY + b"def run(): exec('1')\n"}),
    "a test's attribute": Pair(
        {P: PY + b"test_add.__code__ = near.__code__\n"}, {P: PY + b"two.slow = True\n"}
    ),
    "the module is patched": Pair(
        unit("class Add", "calc.add = max\nclass Add"), unit("class Add", "SIZE = 1\nclass Add"), 4
    ),
    "patched below a condition": Pair(
        unit("class Add", "if 1:\n    calc.add = max\nclass Add"),
        unit("class Add", "if 1:\n    SIZE = 1\nclass Add"),
        5,
    ),
    "a decorator of its own": Pair(
        {
            P: PY.replace(b"def test_add", b"@later\ndef test_add")
            + b"\ndef later(f):\n    return lambda: None\n"
        },
        {P: PY.replace(b"def test_add", b"@pytest.mark.slow\ndef test_add")},
    ),
    "a decorator of a helper": Pair(
        {
            P: PY.replace(b"def test_add", b"@near.later\ndef test_add"),
            "tests/helpers.py": HELPERS + b"def later(f): return 1\n",
        },
        {P: PY, "tests/helpers.py": HELPERS + b"def later(f): return 1\n"},
    ),
    "a decorator written there": Pair(
        py("def test_add", "@(lambda f: None)\ndef test_add"),
        py("def test_add", "@pytest.mark.usefixtures('two')\ndef test_add"),
    ),
    "an unknown decorator": Pair(
        py("def test_add", "@vcr.use()\ndef test_add"),
        {P: PY + b"\n@vcr.use()\ndef test_more():\n    assert add(1, 1) == 2\n"},
        warned=True,
    ),
    "skip": Pair(
        py("def test_add", "@pytest.mark.skip\ndef test_add"),
        {
            P: PY + b"\n@pytest.mark.skipif(WIN, reason='x')\ndef test_new():\n"
            b"    assert add(5, 5) == 10\n"
        },
    ),
    "skipped and renamed": Pair(
        py("def test_add", "@pytest.mark.skip\ndef test_sums"), py("def test_add", "def test_sums")
    ),
    "a mark by request": Pair(
        py("    total", "    request.node.add_marker(pytest.mark.xfail)\n    total"),
        py("    total", "    two.skip = 1\n    total"),
        13,
    ),
    "raise SkipTest": Pair(
        py("    total", "    raise pytest.skip.Exception('x')\n    total"),
        py("    total", "    if not two: raise ValueError\n    total"),
        13,
    ),
    "skipTest in setUp": Pair(
        unit("        self.two = 2", "        self.skipTest('x')"),
        unit("        self.two = 2", "        self.two = 1 + 1"),
        6,
    ),
    "skip in setUpClass": Pair(
        unit(
            "    def setUp",
            "    @classmethod\n    def setUpClass(cls):\n"
            "        raise unittest.SkipTest\n    def setUp",
        ),
        unit(
            "    def setUp",
            "    @classmethod\n    def setUpClass(cls):\n        cls.n = 1\n    def setUp",
        ),
        7,
    ),
    "an attribute skip": Pair(
        unit("    def setUp", "    skip = 'later'\n    def setUp"),
        unit("    def setUp", "    skips = 'later'\n    def setUp"),
        5,
    ),
    "__test__": Pair(
        unit("    def setUp", "    __test__ = False\n    def setUp"),
        {"tests/other.py": b"class Helper:\n    n = 1\n"},
        5,
    ),
    "load_tests": Pair(
        {U: UNIT + b"def load_tests(*a):\n    return None\n"},
        {"calc.py": b"def load_tests(*a):\n    return None\n"},
    ),
    "a mark of the module": Pair(
        py("CASES =", "pytestmark = pytest.mark.skip\nCASES ="),
        {
            "tests/test_n.py": b"import pytest\npytestmark = pytest.mark.slow\n"
            b"def test_n():\n    assert 1 + 1 == n\n"
        },
        5,
    ),
    "pytest_plugins": Pair(
        py("CASES =", "pytest_plugins = ['evil']\nCASES ="),
        py("CASES =", "PLUGINS = ['evil']\nCASES ="),
        5,
    ),
    "collect_ignore grows": Pair(
        {"tests/conftest.py": CONFTEST + b"collect_ignore.append('test_calc.py')\n"},
        {"tests/conftest.py": CONFTEST + b"\n@pytest.fixture\ndef more():\n    return []\n"},
    ),
    "autouse replaces": Pair(
        {
            P: PY + b"\n@pytest.fixture(autouse=True)\ndef rig(monkeypatch):\n"
            b"    monkeypatch.setattr('calc.add', max)\n"
        },
        {
            P: PY + b"\n@pytest.fixture(autouse=True)\ndef rig(monkeypatch):\n"
            b"    monkeypatch.setenv('A', 'b')\n"
        },
    ),
    "autouse skips": Pair(
        {P: PY + b"\n@pytest.fixture(autouse=True)\ndef rig():\n    pytest.skip('x')\n"},
        {P: PY + b"\n@pytest.fixture\ndef rig():\n    return 1\n"},
    ),
    "autouse by another word": Pair(
        {
            "tests/conftest.py": CONFTEST
            + b"\n@pytest.fixture(**{'auto' + 'use': True})\ndef rig(): ...\n"
        },
        {"tests/conftest.py": CONFTEST + b"\n@pytest.fixture(scope='session')\ndef rig(): ...\n"},
    ),
    "autouse imported by name": Pair(
        {
            "tests/helpers.py": HELPERS + b"@fixture(autouse=True)\ndef rig(): ...\n",
            "tests/conftest.py": b"from tests.helpers import rig\n" + CONFTEST,
        },
        {
            "tests/helpers.py": HELPERS + b"@fixture\ndef rig(): ...\n",
            "tests/conftest.py": b"from tests.helpers import rig\n" + CONFTEST,
        },
        4,
    ),
    "an import into conftest": Pair(
        {"tests/conftest.py": b"from tests.helpers import rig\n" + CONFTEST},
        {"tests/conftest.py": CONFTEST + b"\n@pytest.fixture\ndef b(): ...\n"},
        1,
        warned=True,
    ),
    "a hook in a helper": Pair(
        {"tests/helpers.py": HELPERS + b"def pytest_runtest_call(item): ...\n"},
        {"tests/helpers.py": HELPERS + b"def run_call(item): ...\n"},
        3,
    ),
    "a fixture is shadowed": Pair(
        {
            P: PY.replace(b"def test_zero(n)", b"def test_zero(n, home)")
            + b"\n@pytest.fixture\ndef home(): ...\n"
        },
        {P: PY + b"\n@pytest.fixture\ndef other(): ...\n"},
        warned=True,
    ),
    "moved where pytest does not look": Pair(
        {P: None, "build/test_calc.py": PY}, {P: None, "tests/unit/test_calc.py": PY}
    ),
    "addopts": Pair(
        {"pyproject.toml": b"[tool.pytest.ini_options]\naddopts = '-k zero'\n"},
        {"pyproject.toml": b"[tool.ruff]\nline-length = 9\n"},
    ),
    "equal to everything": Pair(
        {
            "calc.py": b"class A(int):\n    def __eq__(self, o):\n        return True\n\n"
            b"def add(a, b):\n    return A()\n"
        },
        {
            "calc.py": b"class A(int):\n    def __eq__(self, o):\n"
            b"        return int(self) == int(o)\n\ndef add(a, b):\n    return A()\n"
        },
        2,
    ),
    "equal by a lambda": Pair(
        {"calc.py": b"class A(int):\n    __eq__ = lambda self, o: 1\n"},
        {"calc.py": b"class A(int):\n    __eq__ = lambda self, o: self is o\n"},
        2,
    ),
    "equal by type()": Pair(
        {"calc.py": b"A = type('A', (), {'__eq__': f})\n"},
        {"calc.py": b"A = type('A', (), {'n': f})\n"},
        1,
        warned=True,
    ),
    "sees its caller": Pair(
        {
            "calc.py": b"import sys\ndef add(a, b):\n"
            b"    return a + b if sys._getframe(1).f_code.co_name[:4] == 'test' else 0\n"
        },
        {
            "calc.py": b"import sys\ndef add(a, b):\n"
            b"    return a + b if sys.argv[1:] == ['x'] else 0\n"
        },
        3,
    ),
    "looks at the stack": Pair(
        {"calc.py": b"import inspect\nS = inspect.stack\n"},
        {"calc.py": b"import inspect\nS = inspect.signature\n"},
        2,
        warned=True,
    ),
    "knows the runner's name": Pair(
        {"calc.py": b"import sys\nT = 'pytest' in sys.argv[0]\n"},
        {"calc.py": b"import sys\nT = 'x' in sys.argv[0]\n"},
        2,
    ),
}
OTHERS = {
    "js returns": Pair(
        js("    const", "    return\n    const"),
        js("    const", "    const f = () => { return 1 }\n    const"),
        7,
    ),
    "js if false": Pair(
        js(JS_ADD, f"    if (false) {{\n  {JS_ADD}    }}\n"),
        js(JS_ADD, f"    for (const x of [1]) {{\n  {JS_ADD}    }}\n"),
        7,
    ),
    "js a condition without braces": Pair(
        js(JS_ADD, f"    if (false)\n  {JS_ADD}"), js(JS_ADD, f"    log('if (false)')\n{JS_ADD}"), 7
    ),
    "js and": Pair(
        js("    expect(total)", "    false && expect(total)"),
        js("const total = add", "const total = true && add"),
    ),
    "js a comment": Pair(
        js(JS_ADD, f"    /*\n{JS_ADD}    */\n"), js(JS_ADD, f"    /* sum */\n{JS_ADD}")
    ),
    "js a template": Pair(
        js(JS_ADD, f"    `\n{JS_ADD}    `\n"), js(JS_ADD, f"    log(`x`)\n{JS_ADD}")
    ),
    "js try": Pair(
        js(JS_ADD, f"    try {{\n  {JS_ADD}    }} catch (e) {{}}\n"),
        js(JS_ADD, f"    try {{\n  {JS_ADD}    }} finally {{ close() }}\n"),
        7,
    ),
    "js never called": Pair(
        js(JS_ADD, f"    const later = () => {{\n  {JS_ADD}    }}\n"),
        js(JS_ADD, f"    act(() => {{\n  {JS_ADD}    }})\n"),
        7,
    ),
    "js skip": Pair(
        js("it('adds', async", "it.skip('adds', async"),
        js(
            "it('rejects'",
            "it('adds more', () => {\n    expect(add(1, 1)).toBe(2)\n  })\n\n  it('rejects'",
        ),
        4,
    ),
    "js concurrent skip": Pair(
        js("it('adds', async", "it.concurrent.skip('adds', async"),
        js("it('adds', async", "it.concurrent('adds', async"),
        4,
    ),
    "js only": Pair(
        js("it('rejects'", "it.only('rejects'"),
        js("// ", "") if b"// " in JS else js("add(0.1", "add(0.10"),
        9,
    ),
    "js xit": Pair(
        js("it('adds', async", "xit('adds', async"), js("'adds', async", "'adds', async "), 4
    ),
    "js describe.skip": Pair(
        js("describe(", "describe.skip("), js("describe('add'", "describe('adding'"), 3
    ),
    "js todo": Pair(
        js("it('adds', async () => {", "it.todo('adds')\n  void (async () => {"),
        js("async () => {\n    const", "async () => {\n\n    const"),
        4,
    ),
    "js option skip": Pair(
        js("it('adds', async", "it('adds', { skip: true }, async"),
        js("it('adds', async", "it('adds', { timeout: 9 }, async"),
        4,
    ),
    "js each of nothing": Pair(
        js("it.each([\n    [1, 2, 3],\n    [2, 2, 4],\n  ])", "it.each([])"),
        js("    [1, 2, 3],\n", "    [1, 2, 3],\n    [0, 0, 0],\n"),
    ),
    "js fewer rows": Pair(
        js("    [2, 2, 4],\n", ""), js("    [2, 2, 4],\n", "    [2, 3, 5],\n"), warned=True
    ),
    "js itself": Pair(
        js("expect(total).toBe(4)", "expect(total).toBe(total)"),
        js("expect(total).toBe(4)", "expect(total).toBe(2 * 2)"),
    ),
    "js constants": Pair(
        js("expect(total).toBe(4)", "expect(true).toBe(true)"), js("toBe(4)", "toEqual(4)")
    ),
    "js loose": Pair(
        js("expect(total).toBe(4)", "expect(total).toBeDefined()"),
        js("toBe(4)", "toStrictEqual(4)"),
        6,
    ),
    "js not": Pair(
        js("expect(total).toBe(4)", "expect(total).not.toBe(5)"),
        js(JS_ADD, f"{JS_ADD}    expect(total).not.toBe(5)\n"),
        6,
    ),
    "js closer": Pair(
        js("toBeCloseTo(0.3, 5)", "toBeCloseTo(0.3, 0)"),
        js("toBeCloseTo(0.3, 5)", "toBeCloseTo(0.3, 9)"),
        21,
    ),
    "js not awaited": Pair(
        js("await expect(", "expect("),
        js("await expect(add(null))", "await expect(add(undefined))"),
        10,
    ),
    "js caught": Pair(
        js("toThrow('null')", "toThrow('null').catch(() => {})"),
        js("toThrow('null')", "toThrow('nil')"),
    ),
    "js mocked": Pair(
        js("describe(", "jest.mock('../calc')\ndescribe("),
        js("describe(", "const n = 1\ndescribe("),
        3,
        warned=True,
    ),
    "js another origin": Pair(
        js("'../calc'", "'./fake'"), js("describe(", "\n\ndescribe("), 1, warned=True
    ),
    "js exits": Pair(
        js("describe(", "process.exit(0)\ndescribe("),
        js("describe(", "process.env.A = 1\ndescribe("),
        3,
    ),
    "go returns": Pair(
        go(GO_IF, f"\tif got > 0 {{\n\t\treturn\n\t}}\n{GO_IF}"),
        go(GO_IF, f"\tf := func() int {{ return 1 }}\n{GO_IF}"),
        11,
    ),
    "go if false": Pair(go(GO_IF, "\tif false && got != 4 {\n"), go(GO_IF, "\tif got != 2+2 {\n")),
    "go itself": Pair(go(GO_IF, "\tif got != got {\n"), go("\tgot :=", "\t// 4\n\tgot :=")),
    "go logs": Pair(go("t.Errorf", "t.Logf"), go("t.Errorf", "t.Fatalf")),
    "go skips": Pair(
        go("\tgot :=", '\tt.Skip("x")\n\tgot :='), go("\tgot :=", "\tt.Parallel()\n\tgot :="), 6
    ),
    "go exits the test": Pair(
        go("\tgot :=", "\truntime.Goexit()\n\tgot :="), go("\tgot :=", "\tt.Helper()\n\tgot :="), 6
    ),
    "go build tag": Pair(
        go("package calc", "//go:build never\n\npackage calc"),
        go("package calc", "// Package calc\npackage calc"),
        1,
    ),
    "go by its name": Pair({G: None, "calc_plan9_test.go": GO}, {G: None, "sums_test.go": GO}),
    "go hidden": Pair({G: None, "_calc_test.go": GO}, {G: None, "more/calc_test.go": GO}),
    "go lower case": Pair(go("TestAdd(", "Testadd("), go("TestAdd(", "TestAdds(")),
    "go fewer rows": Pair(
        go("\t\t{2, 2, 4},\n", ""),
        go("\t\t{2, 2, 4},\n", "\t\t{2, 2, 4},\n\t\t{0, 0, 0},\n"),
        warned=True,
    ),
    "go main": Pair(
        {G: GO + b"\nfunc TestMain(m *testing.M) {}\n"},
        {G: GO + b"\nfunc TestMore(m *testing.T) {}\n"},
        23,
    ),
    "go recovers": Pair(
        go("\tgot :=", "\tdefer func() { recover() }()\n\tgot :="),
        go("\tgot :=", "\tdefer func() { done() }()\n\tgot :="),
        6,
    ),
    "rust ignore": Pair(
        rust("    #[test]\n    fn adds", "    #[test]\n    #[ignore]\n    fn adds"),
        rust("    #[test]\n    fn adds", "    /// Adds.\n    #[test]\n    fn adds"),
        10,
    ),
    "rust cfg": Pair(
        rust("#[cfg(test)]", "#[cfg(all(test, any()))]"), rust("pub fn", "#[inline]\npub fn"), 5
    ),
    "rust no test any more": Pair(
        rust("    #[test]\n    fn adds", "    fn adds"), rust("fn adds", "fn sums"), 10
    ),
    "rust returns": Pair(
        rust(RUST_ADD, f"        return;\n{RUST_ADD}"),
        rust(RUST_ADD, f"        let f = |x: i32| {{ return x; }};\n{RUST_ADD}"),
        13,
    ),
    "rust if": Pair(
        rust(RUST_ADD, f"        if total > 9 {{\n{RUST_ADD}        }}\n"),
        rust(RUST_ADD, f"        for _ in 0..2 {{\n{RUST_ADD}        }}\n"),
        13,
    ),
    "rust itself": Pair(rust("total, 4", "total, total"), rust("total, 4", "total, 2 + 2")),
    "rust gone": Pair(
        rust("    #[test]\n    fn subtracts() {\n        assert_eq!(add(2, -2), 0);\n    }\n", ""),
        rust("a + b", "b + a"),
        16,
    ),
    "ruby loose": Pair(swap(B, "to eq(4)", "not_to be_nil"), swap(B, "to eq(4)", "to eql(4)"), 2),
    "a snapshot is gone": Pair({"tests/__snapshots__/a.snap": None}, {"docs/a.md": b"x"}, 1),
    "a snapshot is empty": Pair(
        {"tests/__snapshots__/a.snap": b"\n"},
        {"tests/__snapshots__/b.snap": b"exports[`b`] = `1`;\n"},
        1,
    ),
    "a snapshot says something else": Pair(
        {"tests/__snapshots__/a.snap": b"exports[`adds 1`] = `5`;\n"},
        {"tests/README.md": b"x\n"},
        1,
        warned=True,
    ),
    "expected data": Pair(
        {"tests/data/expected.json": b'{"sum": 5}\n'},
        {"tests/data/more.json": b"{}\n"},
        1,
        warned=True,
    ),
    "a make target": Pair(
        swap("Makefile", "./ci/check", "true"), {"docs/a.sh": b"ls -l\n"}, 1, test="make test"
    ),
    "a script of a make target": Pair(
        {"ci/check": b"exit 0\n"}, {"docs/a.sh": b"ls -l\n"}, 1, test="make test"
    ),
    "a script of a script": Pair(
        {"ci/more.sh": b"exit 0\n"}, {"ci/other.sh": b"exit 0\n"}, 1, test="make -s test"
    ),
    "a package script": Pair(
        {"package.json": b'{"scripts": {"test": "true"}}'},
        {"package.json": b'{"name": "n", "scripts": {"test": "node ci/run.mjs"}}'},
        1,
        test="npm test",
    ),
    "a script of a package script": Pair(
        {"ci/run.mjs": b"\n"}, {"ci/other.mjs": b"\n"}, 1, test="npm run -s test"
    ),
    "noxfile": Pair({"noxfile.py": b"import nox\n"}, {"docs/sessions.py": b"import os\n"}, 1),
    "tox": Pair(
        {"tox.ini": b"[testenv]\ncommands = true\n"}, {"tox.ini": b"[flake8]\nignore = E1\n"}, 1
    ),
}
ALL = {**PYTHON, **OTHERS}


def judge(edits: Mapping[str, bytes | None], test: str) -> GateReport:
    files = {path: data for path, data in {**BASE, **edits}.items() if data is not None}
    return tamper.check(CaseBuilder(old=BASE, new=files, test=test).case())


@pytest.mark.parametrize("name", ALL)
def test_a_trick_is_named_with_its_line(name: str) -> None:
    pair = ALL[name]
    report = judge(pair.trick, pair.test)
    told = [each for each in report.findings if each.is_warning == pair.warned]
    assert told, report
    assert report.verdict == ("passed" if pair.warned else "refused"), report
    assert all(each.path in pair.trick and each.line for each in told)
    assert pair.line is None or pair.line in {each.line for each in told}, told


@pytest.mark.parametrize("name", ALL)
def test_its_honest_twin_is_not_refused(name: str) -> None:
    pair = ALL[name]
    report = judge(pair.honest, pair.test)
    assert report.verdict == "passed", report
