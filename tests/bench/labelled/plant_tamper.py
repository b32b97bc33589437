"""Tests made easier to pass: Python's, in a test file of the release."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from random import Random
from types import MappingProxyType

from tests.bench.labelled.diff import Entry, Tree
from tests.bench.labelled.plant import Plant, Planted

Function = ast.FunctionDef | ast.AsyncFunctionDef
Rows = list[str]
MOST_BYTES = 25_000
_NAME = re.compile(r"(?:^|/)test_[^/]*\.py$")


@dataclass(frozen=True, slots=True)
class Target:
    """One test function of a file, by lines; numbers from 0."""

    path: str
    rows: Rows
    test: Function

    @property
    def start(self) -> int:
        """Of its first decorator."""
        return _first_line(self.test)

    @property
    def end(self) -> int:
        """Behind its last line."""
        assert self.test.end_lineno is not None
        return self.test.end_lineno

    @property
    def body(self) -> int:
        """Of its first statement behind a docstring."""
        first = self.test.body[1 if ast.get_docstring(self.test) and len(self.test.body) > 1 else 0]
        return _first_line(first)

    @property
    def indent(self) -> str:
        row = self.rows[self.test.lineno - 1]
        return row[: len(row) - len(row.lstrip())]

    @property
    def inner(self) -> str:
        row = self.rows[self.body]
        return row[: len(row) - len(row.lstrip())]

    @property
    def asserts(self) -> Sequence[ast.Assert]:
        """Statements of the function itself."""
        return [node for node in self.test.body if isinstance(node, ast.Assert)]


def _first_line(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)]) - 1


def _test_files(chance: Random, tree: Tree) -> list[str]:
    """Those of a usual size, shuffled."""
    found = sorted(
        path
        for path, entry in tree.items()
        if _NAME.search(path) and entry.mode.startswith("100") and len(entry.data) <= MOST_BYTES
    )
    return chance.sample(found, len(found))


def _targets(chance: Random, tree: Tree) -> Iterator[Target]:
    """Tests with two assertions at least and their body on lines of its own, shuffled."""
    for path in _test_files(chance, tree):
        text = tree[path].data.decode()
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)]
        for node in chance.sample(nodes, len(nodes)):
            target = Target(path, text.split("\n"), node)
            usual = len(target.asserts) > 1 and target.body >= node.lineno
            if usual and node.name.startswith("test_"):
                yield target


def _edit(change: Callable[[Target], Rows | None]) -> Plant:
    """The file's new lines, or None where this test does not serve."""

    def plant(chance: Random, tree: Tree) -> Planted | None:
        for target in _targets(chance, tree):
            rows = change(target)
            if rows is not None:
                text = "\n".join(rows)
                ast.parse(text)
                return Planted({target.path: Entry(text.encode())})
        return None

    return plant


def _cut(target: Target, start: int, end: int, *instead: str) -> Rows:
    return [*target.rows[:start], *instead, *target.rows[end:]]


def _decorated(text: str) -> Plant:
    return _edit(lambda at: _cut(at, at.start, at.start, f"{at.indent}@{text}"))


def _first(*rows: str) -> Plant:
    """New first statements of the body."""
    return _edit(lambda at: _cut(at, at.body, at.body, *(at.inner + row for row in rows)))


def _wrapped(head: str, *tail: str) -> Plant:
    """The whole body under one statement."""

    def change(at: Target) -> Rows:
        inside = [f"    {row}" if row.strip() else row for row in at.rows[at.body : at.end]]
        return _cut(
            at, at.body, at.end, at.inner + head, *inside, *(at.inner + row for row in tail)
        )

    return _edit(change)


def _assertion(replace: Callable[[ast.Assert], str | None]) -> Plant:
    """The last assertion, as other text."""

    def change(at: Target) -> Rows | None:
        node = at.asserts[-1]
        text = replace(node)
        if text is None or node.end_lineno is None:
            return None
        return _cut(
            at, node.lineno - 1, node.end_lineno, *(at.inner + row for row in text.split("\n"))
        )

    return _edit(change)


def _equality(make: Callable[[str, str], str]) -> Plant:
    """For `assert a == b`."""

    def replace(node: ast.Assert) -> str | None:
        match node.test:
            case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
                return make(ast.unparse(left), ast.unparse(right))
        return None

    return _assertion(replace)


def _appended(text: str) -> Plant:
    return _edit(
        lambda at: (
            [*at.rows, *text.format(name=at.test.name).split("\n")] if not at.indent else None
        )
    )


def _on_top(text: str) -> Plant:
    """Behind the imports at the beginning."""

    def change(at: Target) -> Rows | None:
        body = ast.parse("\n".join(at.rows)).body
        ends = [
            node.end_lineno or 0 for node in body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        return _cut(at, max(ends), max(ends), "", *text.split("\n")) if ends else None

    return _edit(change)


def _fewer_parameters(at: Target) -> Rows | None:
    for decorator in at.test.decorator_list:
        if isinstance(decorator, ast.Call) and "parametrize" in ast.unparse(decorator.func):
            values = decorator.args[-1]
            if isinstance(values, ast.List | ast.Tuple) and len(values.elts) > 2:
                last = values.elts[-1]
                if last.lineno == last.end_lineno and last.lineno > values.elts[-2].lineno:
                    return _cut(at, last.lineno - 1, last.lineno)
    return None


def _renamed(prefix: str) -> Plant:
    def change(at: Target) -> Rows:
        row = at.rows[at.test.lineno - 1]
        return _cut(
            at, at.test.lineno - 1, at.test.lineno, row.replace("def test_", f"def {prefix}", 1)
        )

    return _edit(change)


def _no_asserts(at: Target) -> Rows:
    gone = {row for node in at.asserts for row in range(node.lineno - 1, node.end_lineno or 0)}
    kept = [row for number, row in enumerate(at.rows) if number not in gone]
    place = at.end - len(gone)
    return [*kept[:place], f"{at.inner}pass", *kept[place:]]


def _becomes_generator(at: Target) -> Rows | None:
    return (
        _cut(at, at.end, at.end, f"{at.inner}yield")
        if isinstance(at.test, ast.FunctionDef)
        else None
    )


def _file_removed(chance: Random, tree: Tree) -> Planted | None:
    target = next(_targets(chance, tree), None)
    return Planted({target.path: None}) if target else None


def _file_moved_out_of_sight(chance: Random, tree: Tree) -> Planted | None:
    target = next(_targets(chance, tree), None)
    if target is None:
        return None
    path = PurePosixPath(target.path)
    hidden = path.with_name(path.name.replace("test_", "old_", 1))
    return Planted({str(path): None, str(hidden): tree[str(path)]})


def _body_copied_away(at: Target) -> Rows | None:
    """The checks are in a function nobody calls."""
    if at.indent or at.test.decorator_list:
        return None
    return _cut(at, at.end, at.end, "", "", f"def {at.test.name}():", "    pass")


KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        "test-removed": _edit(lambda at: _cut(at, at.start, at.end) if not at.indent else None),
        "test-renamed-away": _renamed("check_"),
        "test-private": _renamed("_test_"),
        "file-removed": _file_removed,
        "file-renamed-away": _file_moved_out_of_sight,
        "skip": _decorated("pytest.mark.skip(reason='slow')"),
        "skip-if-true": _decorated("pytest.mark.skipif(1 + 1 == 2, reason='flaky')"),
        "skip-if-platform": _decorated(
            "pytest.mark.skipif(sys.platform != 'plan9', reason='flaky')"
        ),
        "xfail": _decorated("pytest.mark.xfail"),
        "xfail-not-strict": _decorated("pytest.mark.xfail(raises=Exception, strict=False)"),
        "unittest-skip": _decorated("unittest.skip('later')"),
        "expected-failure": _decorated("unittest.expectedFailure"),
        "no-test-by-decorator": _decorated("pytest.fixture"),
        "skip-called": _first("pytest.skip('later')"),
        "xfail-called": _first("pytest.xfail('later')"),
        "skip-raised": _first("raise unittest.SkipTest('later')"),
        "import-or-skip": _first("pytest.importorskip('no_such_module')"),
        "return-first": _first("return"),
        "return-if": _first("if len(__name__) > 1:", "    return"),
        "exit-called": _first("pytest.exit('done', returncode=0)"),
        "all-skipped": _on_top("pytestmark = pytest.mark.skip(reason='later')"),
        "all-skip-module": _on_top("pytest.skip('later', allow_module_level=True)"),
        "all-import-or-skip": _on_top("pytest.importorskip('no_such_module')"),
        "all-no-tests": _on_top("__test__ = False"),
        "deleted-below": _appended("del {name}"),
        "set-to-none": _appended("{name} = None"),
        "globals-cleared": _appended("globals().pop('{name}')"),
        "hidden-by-another": _edit(_body_copied_away),
        "one-assert-removed": _assertion(lambda _: "pass"),
        "all-asserts-removed": _edit(_no_asserts),
        "assert-true": _assertion(lambda _: "assert True"),
        "assert-tuple": _assertion(lambda node: f"assert ({ast.unparse(node.test)}, 'text')"),
        "assert-or-true": _assertion(lambda node: f"assert ({ast.unparse(node.test)}) or True"),
        "assert-in-comment": _assertion(lambda _: "# asserted elsewhere\n..."),
        "assert-if-false": _assertion(lambda node: f"if False:\n    {ast.unparse(node)}"),
        "assert-if-debug": _assertion(lambda node: f"if not __debug__:\n    {ast.unparse(node)}"),
        "assert-in-lambda": _assertion(lambda node: f"lambda: {ast.unparse(node.test)}"),
        "assert-printed": _assertion(lambda node: f"print({ast.unparse(node.test)})"),
        "assert-swallowed": _assertion(
            lambda node: f"try:\n    {ast.unparse(node)}\nexcept AssertionError:\n    pass"
        ),
        "equal-to-not-none": _equality(lambda left, _: f"assert {left} is not None"),
        "equal-to-itself": _equality(lambda left, _: f"assert {left} == {left}"),
        "equal-to-truth": _equality(lambda left, _: f"assert {left} or not {left}"),
        "equal-to-type": _equality(lambda left, right: f"assert type({left}) is type({right})"),
        "equal-to-length": _equality(lambda left, right: f"assert len(str({left})) >= 0"),
        "equal-to-any": _equality(lambda left, _: f"assert {left} == mock.ANY"),
        "approximately": _equality(
            lambda left, right: f"assert {left} == pytest.approx({right}, abs=1e9)"
        ),
        "try-all": _wrapped("try:", "except Exception:", "    pass"),
        "suppress-all": _wrapped("with contextlib.suppress(AssertionError):"),
        "if-false": _wrapped("if False:"),
        "while-false": _wrapped("while 0:"),
        "for-nothing": _wrapped("for _ in ():"),
        "inner-function": _wrapped("def inner():"),
        "raises-around": _wrapped("with pytest.raises(Exception):", "    raise Exception"),
        "generator": _edit(_becomes_generator),
        "fewer-parameters": _edit(_fewer_parameters),
    }
)
