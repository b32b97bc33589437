"""Content made to keep gate `tamper` busy, or to break it.

What takes time, or memory, by the square of the content's length would not end here.
"""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from runner.gates import tamper, weaker
from runner.gates.beside import Beside
from runner.gates.compare import Both, compare
from runner.gates.encoding import is_piled
from runner.gates.languages import language
from runner.gates.pytests import Parsed, Test, hooks, parse
from runner.gates.silencing import silencing
from runner.gates.wordtests import Words, words
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder

PATH = "tests/test_a.py"
ENDLESS = b"0x" + b"f" * 4000
"""Python reads it, and does not write it in decimal."""


def judged(old: bytes, new: bytes, path: str = PATH) -> GateReport:
    return tamper.check(CaseBuilder({path: old}, {path: new}).case())


def spoken(source: bytes, suffix: str) -> Words:
    of = language(f"a.{suffix}")
    assert of is not None
    found = words(source, of)
    assert found is not None
    return found


def a_test(
    *, skips: tuple[tuple[int, str], ...] = (), worn: Counter[str] | None = None, body: str = ""
) -> Test:
    return Test("test_a", 1, Counter(), 1, skips, Counter(), body, worn or Counter())


@pytest.mark.parametrize("line", [b"    assert x == %b\n", b"    y = %b\n", b"    os._exit(%b)\n"])
def test_a_number_of_thousands_of_digits_is_unreadable(line: bytes) -> None:
    old = b"import os\ndef test_a():\n    assert x == 1\n"
    report = judged(old, old + line % ENDLESS)
    assert report.verdict == "refused" and "too long" in str(report.findings)
    assert judged(old + line % b"0xff", old + line % b"0xff ").verdict == "passed"


@pytest.mark.parametrize("below", [b" def test%d():0\n", b" def a%d():0\n", b" a%d=0\n"])
def test_a_name_is_not_repeated_for_all_below_it(below: bytes) -> None:
    found = parse(b"class T" + b"a" * 500_000 + b":\n" + b"".join(below % n for n in range(30_000)))
    assert found is not None and found.is_too_deep


def test_many_statements_that_hide_a_test() -> None:
    tree = ast.parse(b"test=1\n" * 100_000)
    assert len(list(silencing(tree, tree.body))) == 100_000


def test_many_skips_in_one_test() -> None:
    new = a_test(skips=tuple((n, f"skip({n})") for n in range(100_000)), body="b")
    assert len(list(weaker.compared(PATH, a_test(), new, ()))) == 100_000


def test_many_decorators_beside_many_functions() -> None:
    node = ast.parse("def a(): pass").body[0]
    parts = {f"a{n}": node for n in range(20_000)}
    tests = tuple(a_test(worn=Counter([f"@d{n}"])) for n in range(20_000))
    new = Parsed((*tests, a_test(worn=Counter(["@a7"]))), beside=Beside(parts=parts))
    *told, last = compare([Both(PATH, Parsed((a_test(),)), new)])
    assert len(told) == 20_000 and all(each.only_a_warning for each in told)
    assert not last.only_a_warning and "@a7" in last.what


def test_many_assertions_in_the_place_of_many() -> None:
    old, new = (
        b"".join(b"expect(%b(%d)).toBe(1)\n" % (name, n) for n in range(6_000))
        for name in (b"f", b"g")
    )
    assert judged(old, new, "tests/a.test.js").verdict == "passed"


def test_many_assertions_behind_one_long_condition() -> None:
    source = b"func a() {\nif " + b"a." * 480 + b" {\n" + b"t.Fail()\n" * 50_000 + b"}}"
    assert spoken(source, "go").checks.total() == 50_000


def test_handlers_in_handlers() -> None:
    assert not spoken(b"catch{" * 10_000 + b" " * 1_900_000 + b"}" * 10_000, "js").checks


def test_an_assertion_in_a_handler_that_owns_up_is_not_in_doubt() -> None:
    swallowed, thrown = (
        spoken(b"test('a', () => { try { expect(f()).toBe(1) } catch (e) { %b } })\n" % end, "js")
        for end in (b"log(e)", b"throw e")
    )
    assert swallowed.doubts.total() == thrown.doubts.total() + 1


@pytest.mark.parametrize("cookie", ["utf-8", "unicode_escape"])
def test_marks_piled_on_a_name(cookie: str) -> None:
    pile = ("\u0301\u0327" * 400_000).encode(cookie)
    report = judged(
        b"def test_a():\n    assert 1 == f()\n",
        b"# coding: %s\nx%s = 1\n" % (cookie.encode(), pile),
    )
    assert report.verdict == "refused"
    assert hooks(pile) is None


def test_letters_of_any_language_are_no_pile() -> None:
    for text in ("Z\u0301\u0327\u0300" * 300, "\u0e01\u0e49" * 300, "\u4e2d" * 900):
        assert not is_piled(f"name = '{text}'\n".encode())
