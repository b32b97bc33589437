"""Statements of a Python file that keep its tests from being collected or run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from runner.gates.context import Function, last

SKIPS = frozenset(
    {"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "skipTest", "SkipTest"}
)
_ENDINGS = frozenset({"SkipTest", "Skipped", "SystemExit", "KeyboardInterrupt", "Exit"})
"""Raised while a module is imported, they keep its tests from running."""
_SILENCED = frozenset(
    {"pytestmark", "pytest_plugins", "__test__", "collect_ignore", "collect_ignore_glob"}
)
_OF_A_CLASS = frozenset({"skip", "todo"})
"""Read by a runner as an attribute of a class of tests."""
_SETUP = re.compile(r"(?i)(?:async)?_?set_?up\w*")


def silencing(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Of a test file; `nodes` are all of the tree."""
    top = frozenset(map(id, tree.body))
    yield from (node for node in nodes if _hides(node, top))
    for node in nodes:
        if isinstance(node, Function) and _runs_before(node):
            yield from filter(gives_up, ast.walk(node))
        elif isinstance(node, ast.ClassDef):
            yield from (each for each in node.body if _targets(each) & _OF_A_CLASS)


def leaving(tree: ast.Module) -> Iterator[ast.AST]:
    """Of any file: its import ends, and with it that of whoever tests it."""
    for statement in tree.body:
        if isinstance(statement, (*_DEFINITIONS, ast.ClassDef)):
            continue
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            continue
        yield from filter(_ends_import, ast.walk(statement))


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _runs_before(node: Function) -> bool:
    fixture = any("fixture" in ast.unparse(each) for each in node.decorator_list)
    return fixture or _SETUP.fullmatch(node.name) is not None


def _targets(node: ast.AST) -> set[str]:
    """What a statement gives a value, by the last part of its name."""
    match node:
        case ast.Assign(targets=targets):
            return {last(each) for each in targets}
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            return {last(target)}
        case ast.For(target=target) | ast.NamedExpr(target=target):
            return {last(target)}
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return {name}
        case _:
            return set()


def _hides(node: ast.AST, top: frozenset[int]) -> bool:
    """A statement after which a test is not collected any more; `top` are the module's own."""
    if isinstance(node, ast.Delete):
        return any("test" in ast.unparse(each) for each in node.targets)
    if isinstance(node, _DEFINITIONS):
        return node.name in {"load_tests", "__getattr__"}
    names = _targets(node)
    if names == {"pytestmark"}:
        return not isinstance(node, ast.Assign) or any(map(_marks, ast.walk(node.value)))
    if names & _SILENCED:
        return True
    if isinstance(node, ast.Call) or not any(name.startswith("test") for name in names):
        return False
    value = getattr(node, "value", None)
    is_made = isinstance(value, ast.Call | ast.Lambda) and not isinstance(node, ast.NamedExpr)
    return id(node) in top and not is_made


def _marks(node: ast.AST) -> bool:
    """A mark that skips, or one that cannot be read."""
    if isinstance(node, ast.Name):
        return node.id != "pytest"
    return gives_up(node) or isinstance(node, ast.BinOp | ast.IfExp | ast.Starred)


def gives_up(node: ast.AST) -> bool:
    """In a test or what runs before it: it does not go on then."""
    match node:
        case ast.Raise(exc=ast.expr() as raised):
            return last(raised) in _ENDINGS or ".skip.Exception" in ast.unparse(raised)
        case ast.Call(func=func):
            return last(func) in {*SKIPS, "importorskip"}
        case ast.Attribute(attr=name, value=ast.Attribute(attr="mark")):
            return name in SKIPS
        case _:
            return False


def _ends_import(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return node.exc is not None and last(node.exc) in _ENDINGS
    return isinstance(node, ast.Call) and last(node.func) in {"skip", "importorskip", "exit"}
