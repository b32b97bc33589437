"""Names of a test file that stand for something else in the end than a reader sees first."""

from __future__ import annotations

import ast
import unittest
from collections.abc import Iterator, Sequence

from runner.gates.context import last

_MAY = frozenset(
    {"setUp", "tearDown", "setUpClass", "tearDownClass", "maxDiff", "longMessage", "id"}
    | {"shortDescription", "__module__", "__doc__", "__str__", "__repr__", "__hash__", "__eq__"}
)
"""Of a TestCase, to be overridden without weakening a test."""
_OWN = frozenset(dir(unittest.IsolatedAsyncioTestCase)) - _MAY
_MAKING = frozenset({"__new__", "__init__", "__call__", "__getattribute__", "__getattr__"})
_TOLD = frozenset({"*", "pytestmark", "pytest_plugins", "__test__", "load_tests", "setUpModule"})
"""Imported, they decide what is run without a word about it here; `*` may bring any of them."""


_WAYS_IN = frozenset({"exec", "eval", "globals", "locals", "vars", "setattr", "delattr"})
Seen = dict[str, ast.stmt]


def rebound(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[ast.stmt]:
    """Statements of a test file that replace what its tests are, check or call."""
    for statement in tree.body:
        yield from _imports_rules(statement)
    yield from _again(tree.body, {})
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from _overrides(node)
            yield from _twice(node.body)


def patched(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[ast.stmt]:
    """`Case.assertEqual = print`, `calc.add = sum`, `globals()["test_add"] = None` and their like,
    as statements of the module."""
    taken = {name for node in nodes for name in _taken(node)}
    yield from (each for each in _module(tree.body) if _patches(each, taken))


def _taken(node: ast.AST) -> Iterator[str]:
    """Names for what is not this module's own value: modules, and tests."""
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from ((each.asname or each.name).partition(".")[0] for each in node.names)
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield from [name] if name.lower().startswith("test") else []


def _module(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Simple statements, those below conditions too."""
    for statement in body:
        parts = _bodies(statement)
        yield from (each for part in parts for each in _module(part))
        if not parts and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement


def _bodies(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The alternatives of a compound statement, each in the order it runs."""
    match statement:
        case ast.If(test=test) if "__name__" in ast.unparse(test):
            return [[]]
        case ast.If(body=body, orelse=orelse):
            return [body, orelse]
        case ast.For() | ast.AsyncFor() | ast.While():
            return [[*statement.body, *statement.orelse]]
        case ast.With() | ast.AsyncWith():
            return [statement.body]
        case ast.Try() | ast.TryStar():
            tried = [*statement.body, *statement.orelse, *statement.finalbody]
            return [tried, *(each.body for each in statement.handlers)]
        case ast.Match():
            return [each.body for each in statement.cases]
        case _:
            return []


def _again(body: Sequence[ast.stmt], seen: Seen) -> Iterator[ast.stmt]:
    """Names that are bound a second time; `seen` is told of all of them."""
    for statement in body:
        if any(name in seen and _replaces(seen[name], statement) for name in _binds(statement)):
            yield statement
        seen |= dict.fromkeys(_binds(statement), statement)
        branches: list[Seen] = []
        for part in _bodies(statement):
            branches.append(dict(seen))
            yield from _again(part, branches[-1])
        for branch in branches:
            seen |= branch


def _replaces(first: ast.stmt, statement: ast.stmt) -> bool:
    """A test or an import by anything, a function or class by another kind of thing; a plain value
    may be set twice."""
    if isinstance(statement, ast.Import) and isinstance(first, ast.Import):
        return statement.names[0].asname is not None
    if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        is_test = any("test" in name.lower() for name in _names(first))
        return is_test or type(statement) is not type(first)
    return isinstance(first, ast.Import | ast.ImportFrom)


def _names(of: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[str]:
    yield of.name
    for each in of.body if isinstance(of, ast.ClassDef) else ():
        yield from _binds(each)


def _binds(statement: ast.stmt) -> Iterator[str]:
    """Names that the statement itself gives a value, not those in its bodies."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            yield from (each.asname or each.name for each in statement.names)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            overload = any("overload" in ast.unparse(each) for each in statement.decorator_list)
            yield from () if overload or statement.name == "_" else (statement.name,)
        case _:
            for part in _heads(statement):
                for node in ast.walk(part):
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        yield node.id


def _heads(statement: ast.stmt) -> Iterator[ast.AST]:
    """What of a statement is evaluated before its bodies; comprehensions have their own names."""
    for node in ast.iter_child_nodes(statement):
        if not isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case, *_OWN_NAMES)):
            yield node


_OWN_NAMES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


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


def _patches(statement: ast.stmt, taken: set[str]) -> bool:
    match statement:
        case ast.Assign(targets=targets):
            return any(_reaches(each, taken) for each in targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return _reaches(target, taken)
        case ast.Expr(value=ast.Call(func=func)):
            root = func
            while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
                root = root.func if isinstance(root, ast.Call) else root.value
            return isinstance(root, ast.Name) and root.id in _WAYS_IN
        case _:
            return False


def _reaches(target: ast.expr, taken: set[str]) -> bool:
    if isinstance(target, ast.Tuple | ast.List):
        return any(_reaches(each, taken) for each in target.elts)
    if isinstance(target, ast.Subscript):
        return isinstance(target.value, ast.Call) and last(target.value) in _WAYS_IN
    root = target
    while isinstance(root, ast.Attribute):
        root = root.value
    known = isinstance(root, ast.Name) and root.id in taken
    return isinstance(target, ast.Attribute) and (known or target.attr in _OWN)


def _overrides(of: ast.ClassDef) -> Iterator[ast.stmt]:
    bases = [ast.unparse(each) for each in of.bases]
    names = _OWN if any("Case" in each or "Test" in each for each in bases) else frozenset()
    is_tests = bool(names) or of.name.startswith("Test")
    for statement in of.body if is_tests else ():
        if any(name in names or name in _MAKING for name in _binds(statement)):
            yield statement
