"""What a Python file tests, how strictly, and what in it could forge a result; never run."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runner.gates.beside import Beside, beside, is_unasked, size
from runner.gates.context import Function, always, is_endless, last
from runner.gates.doubles import Double, doubles
from runner.gates.encoding import is_piled
from runner.gates.rebound import patched, rebound
from runner.gates.silencing import SKIPS, gives_up, leaving, silencing
from runner.gates.strength import cannot_fail, spelled
from runner.gates.traps import traps as traps_of

_CHECKS = frozenset({"raises", "warns", "deprecated_call", "fail"})
_SWALLOWED = frozenset({"AssertionError", "Exception", "BaseException", "failureException"})


@dataclass(frozen=True, slots=True)
class Test:
    """One test function; a class's are named `Class::test`."""

    __test__ = False
    name: str
    line: int
    checks: Counter[str]
    """Its assertions, spelled alike when they mean the same."""
    cases: int | None
    """Literal parameter sets; None = cannot be told."""
    skips: tuple[tuple[int, str], ...]
    """What keeps it, or its failure, from counting: line and words."""
    always: Counter[str]
    """Those of its checks that run whenever it does."""
    body: str
    """All of it, spelled without layout and comments."""
    worn: Counter[str] = field(default_factory=Counter)
    """Its decorators, but those that skip it or list parameters."""
    doubles: tuple[Double, ...] = ()
    where: Mapping[str, int] = field(default_factory=dict)
    """Where each of its checks stands."""
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
    patched: Counter[str] = field(default_factory=Counter)
    """Statements of the module that reach into others, or into itself by another way."""
    leaving: Counter[str] = field(default_factory=Counter)
    """Statements of the module that end its import."""
    beside: Beside = field(default_factory=Beside)

    @property
    def is_too_deep(self) -> bool:
        """Nobody can say what it does."""
        return self.traps == _TOO_DEEP


_TOO_DEEP = Counter({"something nested too deeply, or too long, to be read": 1})
"""It may run all the same."""


def parse(source: bytes) -> Parsed | None:
    """None = no Python that this interpreter can read."""
    if is_piled(source):
        return Parsed(traps=_TOO_DEEP)
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    except (RecursionError, MemoryError):
        return Parsed(traps=_TOO_DEEP)
    try:
        return _parsed(tree)
    except RecursionError:
        return Parsed(traps=_TOO_DEEP)


def _parsed(tree: ast.Module) -> Parsed:
    lines: dict[str, int] = {}
    nodes = tuple(ast.walk(tree))
    if any(map(is_endless, nodes)):
        return Parsed(traps=_TOO_DEEP)
    values = {name: value for node in tree.body for name, value in _literals(node)}
    outer = frozenset(
        each.asname or each.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for each in node.names
    )
    tests = tuple(_tests(tree.body, "", _Around(values, outer)))
    checkers = tuple(_checkers(tree.body))
    return Parsed(
        tests,
        checkers,
        frozenset(_unittest_cases(nodes)),
        _spelled((*silencing(tree, nodes), *(rebound(tree, nodes) if tests else ())), lines),
        lines,
        _spelled(traps_of(nodes), lines),
        _spelled(patched(tree, nodes), lines),
        _spelled(leaving(tree), lines),
        beside(tree, nodes, frozenset(each.name for each in checkers)),
    )


def _literals(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((each.id, node.value) for each in node.targets if isinstance(each, ast.Name))


@dataclass(frozen=True, slots=True)
class _Around:
    """The module of a test."""

    values: Mapping[str, ast.expr]
    imported: frozenset[str]


def hooks(source: bytes) -> Counter[str] | None:
    """What a conftest.py does beside offering fixtures: all its statements but imports, strings
    and fixtures that must be asked for. None = unreadable."""
    if is_piled(source):
        return None
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
    return not is_unasked(node)


def _spelled(nodes: Iterable[ast.AST], lines: dict[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for node in nodes:
        text = ast.unparse(node)
        lines.setdefault(text, getattr(node, "lineno", 1))
        found[text] += 1
    return found


def _tests(body: Sequence[ast.stmt], prefix: str, around: _Around) -> Iterator[Test]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                yield _test(node, prefix, around)
        elif isinstance(node, ast.ClassDef):
            decorated = tuple(_skipping(node.decorator_list))
            based = [each for each in node.bases if ast.unparse(each) != "object"]
            found = node.name.startswith("Test") or bool(based)
            for test in _tests(node.body, f"{prefix}{node.name}::", around):
                skips = (*test.skips, *decorated)
                yield replace(test, skips=skips, is_collected=found and test.is_collected)
        else:
            yield from _sometimes(node, prefix, around)


def _sometimes(node: ast.stmt, prefix: str, around: _Around) -> Iterator[Test]:
    """Tests inside another statement: there on a condition that they may be skipped by."""
    inside = [part for name in ("body", "orelse", "finalbody") for part in getattr(node, name, ())]
    inside += [part for each in getattr(node, "handlers", ()) for part in each.body]
    inside += [part for each in getattr(node, "cases", ()) for part in each.body]
    on = getattr(node, "test", getattr(node, "iter", getattr(node, "subject", None)))
    skip = ((node.lineno, f"only if {ast.unparse(on)}"),) if isinstance(on, ast.AST) else ()
    for test in _tests(inside, prefix, around):
        yield replace(test, skips=(*test.skips, *skip))


def _test(node: Function, prefix: str, around: _Around) -> Test:
    skips = (*_skipping(node.decorator_list), *_giving_up(node))
    checks = [
        (spelled(each), getattr(each, "lineno", 1)) for each in ast.walk(node) if _is_check(each)
    ]
    return Test(
        name=f"{prefix}{node.name}",
        line=node.lineno,
        checks=Counter(text for text, _ in checks),
        cases=_cases(node, around.values),
        skips=skips,
        always=Counter(map(spelled, always(node, _is_check))),
        body=ast.unparse(node),
        worn=Counter(f"@{ast.unparse(each)}" for each in node.decorator_list if _is_worn(each)),
        doubles=tuple(doubles(node, around.imported)),
        where=dict(reversed(checks)),
    )


def _is_worn(decorator: ast.expr) -> bool:
    return last(decorator) not in {*SKIPS, "parametrize"}


_NOTHING_AROUND = _Around({}, frozenset())


def _checkers(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[Test]:
    """Not those inside a test, whose checks are the test's."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _checkers(node.body, f"{prefix}{node.name}::")
        elif isinstance(node, Function) and _is_checker(node):
            yield _test(node, prefix, _NOTHING_AROUND)


def _is_checker(node: Function) -> bool:
    return not node.name.startswith("test") and any(map(_is_check, ast.walk(node)))


def _unittest_cases(nodes: Sequence[ast.AST]) -> Iterator[str]:
    classes = (node for node in nodes if isinstance(node, ast.ClassDef))
    for node in classes:
        if any(ast.unparse(each).endswith("TestCase") for each in node.bases):
            yield node.name


def _skipping(decorators: Sequence[ast.expr]) -> Iterator[tuple[int, str]]:
    for each in decorators:
        if last(each) in SKIPS or any(map(gives_up, ast.walk(each))):
            yield each.lineno, f"@{ast.unparse(each)}"


def _giving_up(test: Function) -> Iterator[tuple[int, str]]:
    """Ways for a test to end well without having checked."""
    for number, statement in enumerate(test.body):
        if isinstance(statement, ast.Return) and number + 1 < len(test.body):
            yield statement.lineno, "return before the end"
    for node in (each for statement in test.body for each in ast.walk(statement)):
        if gives_up(node):
            yield getattr(node, "lineno", test.lineno), ast.unparse(node)
        elif isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield node.lineno, "an exception handler that swallows failed assertions"
        elif isinstance(node, ast.Try) and any(map(_leaves, node.finalbody)):
            yield node.finalbody[0].lineno, "a finally that swallows failed assertions"


def _leaves(statement: ast.stmt) -> bool:
    return any(
        isinstance(each, ast.Return | ast.Break | ast.Continue) for each in ast.walk(statement)
    )


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
        return not cannot_fail(node)
    if not isinstance(node, ast.Call) or cannot_fail(node):
        return False
    name = last(node.func)
    return name in _CHECKS or name.lower().startswith(("assert", "expect"))


def _cases(test: Function, values: Mapping[str, ast.expr]) -> int | None:
    """The product of what its `parametrize` decorators list; 1 without."""
    product: int | None = 1
    for each in test.decorator_list:
        if isinstance(each, ast.Call) and last(each.func) == "parametrize":
            named = [word.value for word in each.keywords if word.arg == "argvalues"]
            listed = [*each.args[1:2], *named, None][0]
            if isinstance(listed, ast.Name):
                listed = values.get(listed.id)
            found = size(listed)
            product = found if found == 0 or product is None or found is None else product * found
    return product
