"""What stands beside the tests in a Python file and decides what they check: imports, values,
helpers and fixtures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.gates.context import Function, last
from runner.gates.suspicion import Suspicion
from runner.gates.testpaths import is_collected, is_test

_SIDE = re.compile(
    r"(?i)(?:^|[._])(?:tests?|conftest|mocks?|fakes?|stubs?|dummy|fixtures?|unittest)(?:$|[._])"
)
_HARMLESS = frozenset({"setenv", "delenv", "chdir", "syspath_prepend"})
_REPLACING = frozenset(
    {"setattr", "delattr", "setitem", "delitem", "patch", "object", "fail", "xfail", "skip"}
)
_COLLECTIONS = (ast.List, ast.Tuple, ast.Set, ast.Dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """Of one file; each by its name, with its node."""

    origins: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    """Imported name -> line and where it comes from."""
    parts: Mapping[str, ast.stmt] = field(default_factory=dict)
    """Functions, methods and values that are no tests and check nothing."""
    asked: frozenset[str] = frozenset()
    """Fixtures that its tests ask for."""

    def value(self, name: str) -> ast.expr | None:
        return getattr(self.parts.get(name), "value", None)


def beside(tree: ast.Module, nodes: Sequence[ast.AST], checking: frozenset[str]) -> Beside:
    """`nodes` are all of the tree, `checking` functions that are looked at elsewhere."""
    functions = [node for node in nodes if isinstance(node, Function)]
    tests = [node for node in functions if node.name.startswith("test")]
    asked = frozenset(arg.arg for node in tests for arg in node.args.args)
    parts = {name: node for name, node in _parts(tree.body, "") if name not in checking}
    return Beside(dict(_origins(nodes)), parts, asked)


def size(value: ast.expr | None) -> int | None:
    """Elements of a literal; None = cannot be told."""
    match value:
        case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
            return None if any(isinstance(each, ast.Starred) for each in elts) else len(elts)
        case ast.Dict(keys=keys):
            return None if None in keys else len(keys)
        case ast.Call(func=ast.Name(id="list" | "tuple" | "set" | "dict"), args=[], keywords=[]):
            return 0
        case ast.Call(func=ast.Name(id="list" | "tuple" | "set" | "frozenset"), args=[inner]):
            return size(inner)
        case _:
            return None


def _parts(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if not name.startswith("test"):
                    yield prefix + name, node
            case ast.ClassDef(name=name, body=inner):
                yield from _parts(inner, f"{prefix}{name}::")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name, node
            case ast.If() | ast.Try() | ast.With():
                for part in (node.body, getattr(node, "orelse", [])):
                    yield from _parts(part, prefix)


def _origins(nodes: Sequence[ast.AST]) -> Iterator[tuple[str, tuple[int, str]]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                yield each.asname or each.name, (node.lineno, each.name)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for each in node.names:
                yield each.asname or each.name, (node.lineno, f"{module}:{each.name}")


def compare(path: str, old: Beside | None, new: Beside) -> Iterator[Suspicion]:
    """`old` is None for a new file."""
    yield from _everywhere(path, old or Beside(), new, is_new=old is None)
    if old is not None and is_test(path):
        yield from _elsewhere(path, old, new)
        yield from _otherwise(path, old, new)


def _everywhere(path: str, old: Beside, new: Beside, *, is_new: bool) -> Iterator[Suspicion]:
    """Fixtures that nobody asks for, and hooks: conftest.py's are looked at as a whole."""
    if path.rpartition("/")[2] == "conftest.py":
        for name in new.origins.keys() - old.origins.keys():
            line, origin = new.origins[name]
            what = f"{name} of {origin} is there for all tests now: it may be a fixture"
            yield Suspicion("steered", path, line, what, only_a_warning=True)
        return
    for name, node in new.parts.items():
        if not isinstance(node, Function):
            continue
        is_hook = node.name.startswith("pytest_")
        if not (is_hook or is_unasked(node)) or _same(old.parts.get(name), node):
            continue
        if is_hook:
            what = f"{name} is a hook of a test runner"
            yield Suspicion("steered", path, node.lineno, what, only_a_warning=not is_test(path))
        else:
            mild = not is_test(path) or (is_collected(path) and (is_new or not _replaces(node)))
            what = f"the fixture {name} runs before tests that do not ask for it"
            yield Suspicion("steered", path, node.lineno, what, only_a_warning=mild)


def is_unasked(node: Function) -> bool:
    """A fixture of every test, as far as can be read."""
    decorators = [ast.unparse(each) for each in node.decorator_list]
    return any("autouse" in each or ("fixture" in each and "**" in each) for each in decorators)


def _replaces(node: Function) -> bool:
    """It does more than to set the scene."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Call) and last(inner.func) in _REPLACING - _HARMLESS:
            return True
        if isinstance(inner, ast.Assign) and any(
            isinstance(x, ast.Attribute) for x in inner.targets
        ):
            return True
    return False


def _elsewhere(path: str, old: Beside, new: Beside) -> Iterator[Suspicion]:
    """The same name, imported from another place."""
    for name in old.origins.keys() & new.origins.keys():
        (_, before), (line, after) = old.origins[name], new.origins[name]
        if before == after or _moved(before, after):
            continue
        mild = not _is_side(after) or _is_side(before)
        what = f"{name} comes from {after} now, and came from {before}"
        yield Suspicion("changed" if mild else "weakened", path, line, what, only_a_warning=mild)


def _is_side(origin: str) -> bool:
    return _SIDE.search(origin.partition(":")[0]) is not None


def _moved(before: str, after: str) -> bool:
    """Another way to the same module: `mock` and `unittest.mock`."""
    return before.rpartition(".")[2] == after.rpartition(".")[2] and "mock" in after


def _otherwise(path: str, old: Beside, new: Beside) -> Iterator[Suspicion]:
    for name, before in old.parts.items():
        after = new.parts.get(name)
        if after is None:
            what = f"{name} is gone, which its tests may have used"
            yield Suspicion("changed", path, 1, what, only_a_warning=True)
        elif not _same(before, after):
            yield _changed(path, name, old.value(name), new.value(name), after.lineno)
    for name in (new.parts.keys() - old.parts.keys()) & {*old.asked, "pytestmark"}:
        what = f"{name} is new here, and the tests that were there are run with it"
        yield Suspicion("changed", path, new.parts[name].lineno, what, only_a_warning=True)


def _changed(
    path: str, name: str, old: ast.expr | None, new: ast.expr | None, line: int
) -> Suspicion:
    before, after = size(old), size(new)
    if before and after is not None and after < before:
        what = f"{after} of {before} elements of {name} are left, which its tests may go through"
        return Suspicion("weakened", path, line, what, only_a_warning=after > 0)
    what = f"{name} is not what it was, and its tests may use it"
    return Suspicion("changed", path, line, what, only_a_warning=True)


def _same(old: ast.stmt | None, new: ast.stmt) -> bool:
    return old is not None and ast.dump(old) == ast.dump(new)
