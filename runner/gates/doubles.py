"""What a Python test puts in the place of something: a double of the very thing it tests proves
nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from runner.gates.context import Function, last

_PATCHES = frozenset({"patch", "setattr", "object", "setitem", "replace_with", "stub"})


@dataclass(frozen=True, slots=True)
class Double:
    """One replacement."""

    line: int
    text: str
    of_what_it_calls: bool


def doubles(test: Function, outer: frozenset[str]) -> Iterator[Double]:
    """`outer`: names that the file imports."""
    found = [*_found(test, outer)]
    patching = {id(inner) for node, _ in found for inner in ast.walk(node)}
    called = {
        last(node.func)
        for node in ast.walk(test)
        if isinstance(node, ast.Call) and id(node) not in patching
    }
    for node, name in found:
        text = ast.unparse(node).partition("\n")[0]
        yield Double(getattr(node, "lineno", test.lineno), text, name in called)


def _found(test: Function, outer: frozenset[str]) -> Iterator[tuple[ast.AST, str]]:
    for part in (*test.decorator_list, *test.body):
        for node in ast.walk(part):
            match node:
                case ast.Call(args=[_, *_]) if _is_patch(node.func):
                    yield node, _target(node)
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=root), attr=name)]):
                    yield from [(node, name)] if root in outer else []
                case ast.Assign(targets=[ast.Name(id=name)]) if name in outer:
                    yield node, name
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name in outer:
                    yield node, name
                case ast.ImportFrom() | ast.Import():
                    names = [each.asname or each.name for each in node.names]
                    yield from ((node, name) for name in names if name in outer)


def _is_patch(func: ast.expr) -> bool:
    name = last(func)
    return name in _PATCHES and (name != "object" or "patch" in ast.unparse(func))


def _target(call: ast.Call) -> str:
    """`add` of `patch("calc.add")` and `setattr(calc, "add", ...)`."""
    words = [each.value for each in call.args[:2] if isinstance(each, ast.Constant)]
    named = next((each for each in words if isinstance(each, str)), "")
    return named.rpartition(".")[2]
