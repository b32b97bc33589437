"""Which checks of a test run whenever the test does; never run, so a doubt counts against them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

Function = ast.FunctionDef | ast.AsyncFunctionDef
NUMBER_BITS = 14_000
NAME_CHARS = 200
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_SWALLOWING = ("suppress", "raises", "warns", "assertRaises", "assertRaisesRegex", "assertWarns")
_LEAVING = (ast.Return, ast.Break, ast.Continue)
_UNSURE = (ast.Lambda, ast.IfExp, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def always(test: Function, is_check: Callable[[ast.AST], bool]) -> Iterator[ast.AST]:
    """Checks that no condition, early end, swallowing block or uncalled function keeps from
    running. None in a generator: a runner only makes it."""
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(test.body)):
        return
    calls = [node for node in _own(test.body) if isinstance(node, ast.Call)]
    called = {node.func.id for node in calls if isinstance(node.func, ast.Name)}
    called |= {name for node in calls for name in _handed(node, test)}
    yield from _live(test.body, is_check, called)


def _handed(call: ast.Call, test: Function) -> Iterator[str]:
    """What is given to a fixture is called by it."""
    asked = {each.arg for each in (*test.args.args, *test.args.kwonlyargs)}
    if isinstance(call.func, ast.Name) and call.func.id in asked:
        yield from (each.id for each in call.args if isinstance(each, ast.Name))


def _live(
    body: Sequence[ast.stmt], is_check: Callable[[ast.AST], bool], called: set[str]
) -> Iterator[ast.AST]:
    for statement in body:
        for part in _surely(statement, called):
            if isinstance(part, list):
                yield from _live(part, is_check, called)
            else:
                yield from (node for node in _evaluated(part) if is_check(node))
        if isinstance(statement, ast.Raise):
            return
        if any(isinstance(node, _LEAVING) for node in _own([statement])):
            return


def _surely(statement: ast.stmt, called: set[str]) -> Iterator[ast.AST | list[ast.stmt]]:
    """What of a statement runs if it is reached."""
    match statement:
        case ast.If(test=test) | ast.While(test=test):
            yield test
        case ast.Match(subject=subject):
            yield subject
        case ast.For() | ast.AsyncFor():
            yield statement.iter
            empty = isinstance(statement.iter, ast.List | ast.Tuple) and not statement.iter.elts
            yield [] if empty else statement.body
        case ast.With() | ast.AsyncWith():
            yield from (item.context_expr for item in statement.items)
            yield [] if any(map(_swallows, statement.items)) else statement.body
        case ast.Try() | ast.TryStar():
            yield statement.body
            yield statement.finalbody
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.body if statement.name in called else []
        case ast.ClassDef():
            return
        case _:
            yield statement


def _swallows(item: ast.withitem) -> bool:
    call = item.context_expr
    name = call.func if isinstance(call, ast.Call) else call
    return ast.unparse(name).rpartition(".")[2] in _SWALLOWING


def _evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """Without what is only evaluated sometimes: `False and check()`."""
    yield node
    if isinstance(node, _UNSURE):
        return
    parts = node.values[:1] if isinstance(node, ast.BoolOp) else ast.iter_child_nodes(node)
    for each in parts:
        yield from _evaluated(each)


def _own(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """All nodes, those of functions and classes inside left out."""
    for node in body:
        yield node
        if not isinstance(node, _SCOPES):
            yield from _own(tuple(ast.iter_child_nodes(node)))


def is_endless(node: ast.AST) -> bool:
    """A number that Python would not spell out, or a name that each one below it would repeat."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and node.value.bit_length() > NUMBER_BITS
    return isinstance(node, Function | ast.ClassDef) and len(node.name) > NAME_CHARS


def last(node: ast.AST) -> str:
    """`skip` of `pytest.mark.skip(reason="...")`."""
    if isinstance(node, ast.Call):
        return last(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript):
        return last(node.value)
    return node.id if isinstance(node, ast.Name) else ""
