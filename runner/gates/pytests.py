"""What a Python file tests, how strictly, and what in it could forge a result; never run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
_SKIPS = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "skipTest", "SkipTest"}
)
_CHECKS = frozenset({"raises", "warns", "deprecated_call", "fail"})
_ENDINGS = frozenset({"SkipTest", "Skipped", "SystemExit", "KeyboardInterrupt", "Exit"})
"""Raised while a module is imported, they keep its tests from running."""
_SWALLOWED = frozenset({"AssertionError", "Exception", "BaseException"})
_SILENCED = frozenset({"pytestmark", "__test__", "collect_ignore", "collect_ignore_glob"})
_FORGING = re.compile(
    r"os\.(?:_exit|abort|exec\w+|kill|killpg)|atexit\.register|sys\.set(?:trace|profile)"
    r"|signal\.(?:raise_signal|pthread_kill|alarm|setitimer)|pytest\.exit|_thread\.interrupt_main"
)
_EXIT = re.compile(r"_exit|abort|register|exec\w+|kill|killpg")
_RUNNERS = frozenset({"pytest", "_pytest", "unittest", "nose", "doctest"})
_RUNNER_VARIABLES = ("PYTEST_", "UNITTEST", "TOX_", "NOX_")


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


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file."""

    tests: tuple[Test, ...] = ()
    silenced: Counter[str] = field(default_factory=Counter)
    """Statements outside tests that keep tests from being collected or run."""
    lines: dict[str, int] = field(default_factory=dict)
    """Where a statement of `silenced` or `traps` is."""
    traps: Counter[str] = field(default_factory=Counter)
    """Expressions that end the process early, wait for its end or ask who is running it."""


def parse(source: bytes) -> Parsed | None:
    """None = no Python that this interpreter can read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines: dict[str, int] = {}
    try:
        silenced = _spelled(_silencing(tree), lines)
        traps = _spelled(_traps(tree), lines)
        return Parsed(tuple(_tests(tree.body, "")), silenced, lines, traps)
    except RecursionError:
        return None


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
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    if node.name.startswith("pytest_"):
        return False
    fixture = [each for each in node.decorator_list if _last(each) == "fixture"]
    return not any("autouse" in ast.unparse(each) for each in fixture)


def _spelled(nodes: Iterator[ast.AST], lines: dict[str, int]) -> Counter[str]:
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
            for test in _tests(node.body, f"{prefix}{node.name}::"):
                yield Test(test.name, test.line, test.checks, test.cases, (*test.skips, *decorated))
        elif isinstance(node, ast.If | ast.Try):
            yield from _tests(node.body, prefix)


def _test(node: Function, prefix: str) -> Test:
    skips = (*_skipping(node.decorator_list), *_giving_up(node))
    checks = Counter(ast.unparse(each) for each in ast.walk(node) if _is_check(each))
    return Test(f"{prefix}{node.name}", node.lineno, checks, _cases(node), skips)


def _skipping(decorators: Sequence[ast.expr]) -> Iterator[tuple[int, str]]:
    for each in decorators:
        if _last(each) in _SKIPS:
            yield each.lineno, f"@{ast.unparse(each)}"


def _giving_up(test: Function) -> Iterator[tuple[int, str]]:
    """Ways for a test to end well without having checked."""
    for number, statement in enumerate(test.body):
        if isinstance(statement, ast.Return) and number + 1 < len(test.body):
            yield statement.lineno, "return before the end"
    for node in (each for statement in test.body for each in ast.walk(statement)):
        if isinstance(node, ast.Call) and _last(node.func) in {*_SKIPS, "importorskip"}:
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ExceptHandler) and _swallows(node):
            yield node.lineno, "an exception handler that swallows failed assertions"


def _swallows(handler: ast.ExceptHandler) -> bool:
    """It catches what a failed assertion raises, and does not raise again."""
    kinds = [handler.type]
    if isinstance(handler.type, ast.Tuple):
        kinds = list(handler.type.elts)
    caught = any(kind is None or _last(kind) in _SWALLOWED for kind in kinds)
    checks = any(isinstance(node, ast.Raise) or _is_check(node) for node in ast.walk(handler))
    return caught and not checks


def _is_check(node: ast.AST) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Call):
        return False
    name = _last(node.func)
    return name in _CHECKS or name.lower().startswith(("assert", "expect"))


def _cases(test: Function) -> int:
    """The product of what its `parametrize` decorators list; 1 without, 0 = cannot be told."""
    product = 1
    for each in test.decorator_list:
        if isinstance(each, ast.Call) and _last(each.func) == "parametrize":
            values = each.args[1] if len(each.args) > 1 else None
            known = isinstance(values, ast.List | ast.Tuple | ast.Set)
            product *= len(values.elts) if known else 0  # type: ignore[union-attr]
    return product


def _silencing(tree: ast.Module) -> Iterator[ast.AST]:
    yield from (node for node in ast.walk(tree) if _hides(node, tree))
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            continue
        yield from filter(_ends_import, ast.walk(statement))


def _hides(node: ast.AST, tree: ast.Module) -> bool:
    """A statement after which a test is not collected any more."""
    if isinstance(node, ast.Delete):
        return any(_last(each).startswith("test") for each in node.targets)
    if isinstance(node, ast.FunctionDef):
        return node.name in {"load_tests", "__getattr__"}
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = {_last(target) for target in targets}
    is_test = any(name.startswith("test") for name in names) and node in tree.body
    return bool(names & _SILENCED) or (
        is_test and not isinstance(node.value, ast.Call | ast.Lambda)
    )


def _ends_import(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and _last(node.exc) in _ENDINGS
    return isinstance(node, ast.Call) and _last(node.func) in {"skip", "importorskip", "exit"}


def _traps(tree: ast.Module) -> Iterator[ast.AST]:
    yield from filter(_is_trap, ast.walk(tree))


def _is_trap(node: ast.AST) -> bool:
    match node:
        case ast.Call():
            name = ast.unparse(node.func)
            reaches = name == "getattr" and _reaches_exit(node)
            return bool(_FORGING.fullmatch(name)) or reaches or _asks(node)
        case ast.Compare() | ast.Subscript():
            return _asks(node)
        case ast.ImportFrom(module="os" | "atexit"):
            return any(_EXIT.fullmatch(each.name) for each in node.names)
        case ast.Import() | ast.ImportFrom():
            return _reaches_inside(node)
        case ast.Constant(value=str(text)):
            return "junit" in text[:400].lower()
        case ast.Assign():
            return any(map(_patches_runner, node.targets))
        case _:
            return False


def _asks(node: ast.AST) -> bool:
    """Whether tests are running: `"pytest" in sys.modules`, `os.environ["PYTEST_VERSION"]`."""
    if isinstance(node, ast.Call) and _last(node.func) not in {"get", "getenv", "find_spec"}:
        return False
    words = {
        each.value
        for each in ast.iter_child_nodes(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }
    runner = bool(words & _RUNNERS) and "modules" in ast.unparse(node)
    return runner or any(word.startswith(_RUNNER_VARIABLES) for word in words)


def _reaches_inside(node: ast.Import | ast.ImportFrom) -> bool:
    """Into what a test runner keeps to itself."""
    modules = (
        [node.module or ""] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
    )
    return any(module.split(".")[0] == "_pytest" for module in modules)


def _reaches_exit(call: ast.Call) -> bool:
    """`getattr(os, ...)` with a name that cannot be read here, or the very one."""
    if len(call.args) < 2 or ast.unparse(call.args[0]) not in {"os", "sys", "atexit"}:
        return False
    name = call.args[1]
    return not isinstance(name, ast.Constant) or bool(_EXIT.fullmatch(str(name.value)))


def _patches_runner(target: ast.expr) -> bool:
    """`unittest.TestCase.run = ...`, `sys.modules["pytest"] = ...`."""
    text = ast.unparse(target)
    return ("." in text and text.split(".")[0] in _RUNNERS) or text.startswith("sys.modules[")


def _last(node: ast.AST) -> str:
    """`skip` of `pytest.mark.skip(reason="...")`."""
    if isinstance(node, ast.Call):
        return _last(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return _last(node.value)
    return node.id if isinstance(node, ast.Name) else ""
