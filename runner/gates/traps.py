"""Expressions that could forge what a test run says, or ask whether there is one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from runner.gates.context import last

_FORGING = re.compile(
    r"os\.(?:_exit|abort|exec\w+|kill|killpg)|atexit\.register|sys\.set(?:trace|profile)"
    r"|signal\.(?:raise_signal|pthread_kill|alarm|setitimer)|pytest\.exit|_thread\.interrupt_main"
)
_EXIT = re.compile(r"_exit|abort|register|exec\w+|kill|killpg")
_RUNNERS = frozenset({"pytest", "_pytest", "unittest", "nose", "doctest"})
_RUNNER_VARIABLES = ("PYTEST_", "UNITTEST", "TOX_", "NOX_")


def traps(tree: ast.Module) -> Iterator[ast.AST]:
    nodes = tuple(ast.walk(tree))
    imports = (each for node in nodes if isinstance(node, ast.Import) for each in node.names)
    modules = {each.asname: each.name for each in imports if each.asname}
    yield from (node for node in nodes if _is_trap(node, modules))


def _is_trap(node: ast.AST, modules: Mapping[str, str]) -> bool:
    """`modules`: imported ones by another name than their own."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return bool(_FORGING.fullmatch(f"{modules.get(module, module)}.{name}"))
        case ast.Call():
            reaches = ast.unparse(node.func) == "getattr" and _reaches_exit(node, modules)
            return reaches or _asks(node)
        case ast.Compare() | ast.Subscript():
            return _asks(node)
        case ast.ImportFrom(module="os" | "atexit"):
            return any(_EXIT.fullmatch(each.name) or each.name == "*" for each in node.names)
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
    if isinstance(node, ast.Call) and last(node.func) not in {"get", "getenv", "find_spec"}:
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


def _reaches_exit(call: ast.Call, modules: Mapping[str, str]) -> bool:
    """`getattr(os, ...)` with a name that cannot be read here, or the very one."""
    if len(call.args) < 2:
        return False
    module = ast.unparse(call.args[0])
    if modules.get(module, module) not in {"os", "sys", "atexit"}:
        return False
    name = call.args[1]
    return not isinstance(name, ast.Constant) or bool(_EXIT.fullmatch(str(name.value)))


def _patches_runner(target: ast.expr) -> bool:
    """`unittest.TestCase.run = ...`, `sys.modules["pytest"] = ...`."""
    text = ast.unparse(target)
    return ("." in text and text.split(".")[0] in _RUNNERS) or text.startswith("sys.modules[")
