"""Names of a test file that stand for something else in the end than a reader sees first."""

from __future__ import annotations

import ast
import unittest
from collections.abc import Iterator, Sequence

_MAY = frozenset(
    {"setUp", "tearDown", "setUpClass", "tearDownClass", "maxDiff", "longMessage", "id"}
    | {"shortDescription", "__module__", "__doc__", "__str__", "__repr__", "__hash__", "__eq__"}
)
"""Of a TestCase, to be overridden without weakening a test."""
_OWN = frozenset(dir(unittest.IsolatedAsyncioTestCase)) - _MAY
_MAKING = frozenset({"__new__", "__init__", "__call__", "__getattribute__", "__getattr__"})
_TOLD = frozenset({"*", "pytestmark", "pytest_plugins", "__test__", "load_tests", "setUpModule"})
"""Imported, they decide what is run without a word about it here; `*` may bring any of them."""


def rebound(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a test file that replace what its tests are, check or call."""
    seen: dict[str, type[ast.stmt]] = {}
    for statement in tree.body:
        yield from _imports_rules(statement)
        yield from _patches(statement)
        names = set(_binds(statement))
        if any(_replaces(seen[name], statement) for name in names & seen.keys()):
            yield statement
        seen |= dict.fromkeys(names, type(statement))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _overrides(node)
            yield from _twice(node.body)


def _replaces(first: type[ast.stmt], statement: ast.stmt) -> bool:
    """A test, a class, a function or an import by anything; a plain value may be set twice."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(statement, ast.Import) and issubclass(first, ast.Import):
        return statement.names[0].asname is not None
    return issubclass(first, kinds)


def _binds(statement: ast.stmt) -> Iterator[str]:
    match statement:
        case ast.Import():
            yield from (each.asname or each.name for each in statement.names)
        case ast.ImportFrom():
            yield from (each.asname or each.name for each in statement.names)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            overload = any("overload" in ast.unparse(each) for each in statement.decorator_list)
            yield from () if overload or statement.name == "_" else (statement.name,)
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for node in (each for target in targets for each in ast.walk(target)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


def _twice(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """A test method that a later one of the same name replaces."""
    seen: set[str] = set()
    for statement in body:
        names = {name for name in _binds(statement) if name.startswith("test")}
        if names & seen:
            yield statement
        seen |= names


def _imports_rules(statement: ast.stmt) -> Iterator[ast.stmt]:
    if isinstance(statement, ast.ImportFrom) and any(
        (each.asname or each.name) in _TOLD for each in statement.names
    ):
        yield statement


def _patches(statement: ast.stmt) -> Iterator[ast.stmt]:
    """`Case.assertEqual = print` and its like, as a statement of the module."""
    match statement:
        case ast.Assign() if any(
            isinstance(each, ast.Attribute) and each.attr in _OWN for each in statement.targets
        ):
            yield statement
        case ast.Expr(value=ast.Call(func=ast.Name(id="setattr"))):
            yield statement


def _overrides(of: ast.ClassDef) -> Iterator[ast.stmt]:
    bases = [ast.unparse(each) for each in of.bases]
    names = _OWN if any("Case" in each or "Test" in each for each in bases) else frozenset()
    is_tests = bool(names) or of.name.startswith("Test")
    for statement in of.body if is_tests else ():
        if any(name in names or name in _MAKING for name in _binds(statement)):
            yield statement
