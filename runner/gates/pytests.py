"""What a Python file tests, how strictly, and what in it could forge a result; never run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from runner.gates.context import Function, always, last
from runner.gates.rebound import rebound
from runner.gates.traps import traps as traps_of

_SKIPS = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "skipTest", "SkipTest"}
)
_CHECKS = frozenset({"raises", "warns", "deprecated_call", "fail"})
_ENDINGS = frozenset({"SkipTest", "Skipped", "SystemExit", "KeyboardInterrupt", "Exit"})
"""Raised while a module is imported, they keep its tests from running."""
_SWALLOWED = frozenset({"AssertionError", "Exception", "BaseException"})
_SILENCED = frozenset(
    {"pytestmark", "pytest_plugins", "__test__", "collect_ignore", "collect_ignore_glob"}
)
_SETUP = re.compile(r"(?i)(?:async)?_?set_?up\w*")


@dataclass(frozen=True, slots=True)
class Test:
    """One test function; a class's are named `Class::test`."""

    __test__ = False
    name: str
    line: int
    checks: Counter[str]
    """Its assertions, spelled alike when they mean the same."""
    cases: int
    """Literal parameter sets."""
    skips: tuple[tuple[int, str], ...]
    """What keeps it, or its failure, from counting: line and words."""
    always: Counter[str]
    """Those of its checks that run whenever it does."""
    body: str
    """All of it, spelled without layout and comments."""
    is_collected: bool = True
    """A test runner finds it in its class."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file."""

    tests: tuple[Test, ...] = ()
    checkers: tuple[Test, ...] = ()
    """Other functions that check something, for tests to call."""
    cases: frozenset[str] = frozenset()
    """Classes that are a unittest TestCase by a base's name."""
    silenced: Counter[str] = field(default_factory=Counter)
    """Statements outside tests that keep tests from being collected or run."""
    lines: dict[str, int] = field(default_factory=dict)
    """Where a statement of `silenced` or `traps` is."""
    traps: Counter[str] = field(default_factory=Counter)
    """Expressions that end the process early, wait for its end or ask who is running it."""


_TOO_DEEP = Counter({"something nested too deeply to be read": 1})
"""It may run all the same."""


def parse(source: bytes) -> Parsed | None:
    """None = no Python that this interpreter can read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    except (RecursionError, MemoryError):
        return Parsed(traps=_TOO_DEEP)
    lines: dict[str, int] = {}
    try:
        tests = tuple(_tests(tree.body, ""))
        checkers = tuple(_checkers(tree))
        silencing = (*_silencing(tree), *(rebound(tree) if tests else ()))
        silenced = _spelled(silencing, lines)
        traps = _spelled(traps_of(tree), lines)
        return Parsed(tests, checkers, frozenset(_unittest_cases(tree)), silenced, lines, traps)
    except RecursionError:
        return Parsed(traps=_TOO_DEEP)


def hooks(source: bytes) -> Counter[str] | None:
    """What a conftest.py does beside offering fixtures: all its statements but imports, strings
    and fixtures that must be asked for. None = unreadable."""
    try:
        tree = ast.parse(source)
        return Counter(ast.unparse(node) for node in tree.body if not _is_harmless(node))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _is_harmless(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [each.asname or each.name for each in node.names]
        return not any(name == "*" or name.startswith("pytest_") for name in names)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if node.name.startswith("pytest_"):
        return False
    fixture = [each for each in node.decorator_list if last(each) == "fixture"]
    return not any("autouse" in ast.unparse(each) for each in fixture)


def _spelled(nodes: Iterable[ast.AST], lines: dict[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for node in nodes:
        text = ast.unparse(node)
        lines.setdefault(text, getattr(node, "lineno", 1))
        found[text] += 1
    return found


def _tests(body: Sequence[ast.stmt], prefix: str) -> Iterator[Test]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                yield _test(node, prefix)
        elif isinstance(node, ast.ClassDef):
            decorated = tuple(_skipping(node.decorator_list))
            based = [each for each in node.bases if ast.unparse(each) != "object"]
            found = node.name.startswith("Test") or bool(based)
            for test in _tests(node.body, f"{prefix}{node.name}::"):
                skips = (*test.skips, *decorated)
                yield replace(test, skips=skips, is_collected=found and test.is_collected)
        else:
            yield from _sometimes(node, prefix)


def _sometimes(node: ast.stmt, prefix: str) -> Iterator[Test]:
    """Tests inside another statement: there on a condition that they may be skipped by."""
    inside = [part for name in ("body", "orelse", "finalbody") for part in getattr(node, name, ())]
    inside += [part for each in getattr(node, "handlers", ()) for part in each.body]
    inside += [part for each in getattr(node, "cases", ()) for part in each.body]
    on = getattr(node, "test", getattr(node, "iter", getattr(node, "subject", None)))
    skip = ((node.lineno, f"only if {ast.unparse(on)}"),) if isinstance(on, ast.AST) else ()
    for test in _tests(inside, prefix):
        yield replace(test, skips=(*test.skips, *skip))


def _test(node: Function, prefix: str) -> Test:
    skips = (*_skipping(node.decorator_list), *_giving_up(node))
    checks = Counter(ast.unparse(each) for each in ast.walk(node) if _is_check(each))
    live = Counter(ast.unparse(each) for each in always(node, _is_check))
    body = ast.unparse(node)
    return Test(f"{prefix}{node.name}", node.lineno, checks, _cases(node), skips, live, body)


def _checkers(tree: ast.Module) -> Iterator[Test]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            checks = any(map(_is_check, ast.walk(node)))
            if checks and not node.name.startswith("test"):
                yield _test(node, "")


def _unittest_cases(tree: ast.Module) -> Iterator[str]:
    classes = (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    for node in classes:
        if any(ast.unparse(each).endswith("TestCase") for each in node.bases):
            yield node.name


def _skipping(decorators: Sequence[ast.expr]) -> Iterator[tuple[int, str]]:
    for each in decorators:
        if last(each) in _SKIPS:
            yield each.lineno, f"@{ast.unparse(each)}"


def _giving_up(test: Function) -> Iterator[tuple[int, str]]:
    """Ways for a test to end well without having checked."""
    for number, statement in enumerate(test.body):
        if isinstance(statement, ast.Return) and number + 1 < len(test.body):
            yield statement.lineno, "return before the end"
    for node in (each for statement in test.body for each in ast.walk(statement)):
        if isinstance(node, ast.Call) and last(node.func) in {*_SKIPS, "importorskip"}:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield node.lineno, "an exception handler that swallows failed assertions"


def _swallows(handler: ast.ExceptHandler) -> bool:
    """It catches what a failed assertion raises, and does not raise again."""
    kinds = [handler.type]
    if isinstance(handler.type, ast.Tuple):
        kinds = list(handler.type.elts)
    caught = any(kind is None or last(kind) in _SWALLOWED for kind in kinds)
    checks = any(isinstance(node, ast.Raise) or _is_check(node) for node in ast.walk(handler))
    return caught and not checks


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = last(node.func)
    return name in _CHECKS or name.lower().startswith(("assert", "expect"))


def _cases(test: Function) -> int:
    """The product of what its `parametrize` decorators list; 1 without, 0 = cannot be told."""
    product = 1
    for each in test.decorator_list:
        if isinstance(each, ast.Call) and last(each.func) == "parametrize":
            values = each.args[1] if len(each.args) > 1 else None
            known = isinstance(values, ast.List | ast.Tuple | ast.Set)
            product *= len(values.elts) if known else 0  # type: ignore[union-attr]
    return product


def _silencing(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if _hides(node, tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and _SETUP.fullmatch(node.name):
            yield from filter(_gives_up, ast.walk(node))
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            continue
        yield from filter(_ends_import, ast.walk(statement))


def _hides(node: ast.AST, tree: ast.Module) -> bool:
    """A statement after which a test is not collected any more."""
    if isinstance(node, ast.Delete):
        return any(last(each).startswith("test") for each in node.targets)
    if isinstance(node, ast.FunctionDef):
        return node.name in {"load_tests", "__getattr__"}
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = {last(target) for target in targets}
    is_test = any(name.startswith("test") for name in names) and node in tree.body
    return bool(names & _SILENCED) or (
        is_test and not isinstance(node.value, ast.Call | ast.Lambda)
    )


def _gives_up(node: ast.AST) -> bool:
    """In what runs before tests: none of them runs then."""
    if isinstance(node, ast.Raise):
        return _ends_import(node)
    return isinstance(node, ast.Call) and last(node.func) in {*_SKIPS, "importorskip"}


def _ends_import(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and last(node.exc) in _ENDINGS
    return isinstance(node, ast.Call) and last(node.func) in {"skip", "importorskip", "exit"}
