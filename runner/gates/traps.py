"""Expressions that could forge what a test run says, or ask whether there is one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from runner.gates.context import last

_FORGING = re.compile(
    r"os\.(?:_exit|abort|exec\w+|kill|killpg)|atexit\.register|sys\.set(?:trace|profile)"
    r"|signal\.(?:raise_signal|pthread_kill|alarm|setitimer)|pytest\.exit|_thread\.interrupt_main"
)
_STACK = re.compile(
    r"sys\.(?:_getframe|_current_frames|_getframemodulename)|gc\.get_(?:objects|referrers)"
    r"|inspect\.(?:stack|currentframe|getouterframes|trace)"
    r"|traceback\.(?:extract_stack|walk_stack|format_stack|print_stack)"
)
_BY_STACK = re.compile(
    r"_getframe|_current_frames|currentframe|getouterframes|extract_stack|walk_stack"
)
_EQUALITY = frozenset({"__eq__", "__ne__"})
_EXIT = re.compile(r"_exit|abort|register|exec\w+|kill|killpg")
_RUNNERS = frozenset({"pytest", "_pytest", "unittest", "nose", "doctest"})
_RUNNER = re.compile(r"(?<![a-z])_?(?:pytest|py\.test|unittest|nose|doctest|conftest)(?![a-z])")
_ASKED = re.compile(r"modules|argv|__main__|cmdline")
_CALLER = re.compile(r"f_code|f_globals|f_back|co_name|co_filename|stack\(")
_RUNNER_VARIABLES = ("PYTEST_", "UNITTEST", "TOX_", "NOX_")


def traps(nodes: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Of all nodes of a file."""
    imports = (each for node in nodes if isinstance(node, ast.Import) for each in node.names)
    modules = {each.asname: each.name for each in imports if each.asname}
    yield from (node for node in nodes if _is_trap(node, modules))


def _is_trap(node: ast.AST, modules: Mapping[str, str]) -> bool:
    """`modules`: imported ones by another name than their own."""
    match node:
        case ast.Attribute(attr="f_back" | "tb_frame"):
            return True
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            full = f"{modules.get(module, module)}.{name}"
            return bool(_FORGING.fullmatch(full) or _STACK.fullmatch(full))
        case ast.Call():
            reaches = ast.unparse(node.func) == "getattr" and _reaches_exit(node, modules)
            return reaches or _asks(node)
        case ast.Compare() | ast.Subscript():
            return _asks(node)
        case ast.ImportFrom(module="os" | "atexit"):
            return any(_EXIT.fullmatch(each.name) or each.name == "*" for each in node.names)
        case ast.ImportFrom(module="sys" | "inspect" | "traceback"):
            return any(_BY_STACK.fullmatch(each.name) for each in node.names)
        case ast.Import() | ast.ImportFrom():
            return _reaches_inside(node)
        case ast.Constant(value=str(text)):
            return "junit" in text[:400].lower()
        case ast.Assign():
            return any(map(_patches_runner, node.targets)) or _equals_all(node)
        case _:
            return _equals_all(node)


def _equals_all(node: ast.AST) -> bool:
    """A value that could be equal to whatever a test compares it with."""
    match node:
        case ast.FunctionDef(name=name) if name in _EQUALITY:
            return _answers_alone(node)
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made) if (
            name in _EQUALITY
        ):
            return not _reads(made.args, made.body)
        case ast.Dict(keys=keys):
            return any(isinstance(each, ast.Constant) and each.value in _EQUALITY for each in keys)
        case _:
            return False


def _asks(node: ast.AST) -> bool:
    """Whether tests are running: `"pytest" in sys.modules`, `os.environ["PYTEST_VERSION"]`."""
    asking = {"get", "getenv", "find_spec", "startswith", "endswith", "find", "count"}
    if isinstance(node, ast.Call) and last(node.func) not in asking:
        return False
    words = {
        each.value
        for each in ast.iter_child_nodes(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }
    named = any(_RUNNER.search(word) for word in words)
    runner = named and _ASKED.search(ast.unparse(node)) is not None
    if named or any(word.lower().startswith("test") for word in words):
        runner = runner or _CALLER.search(ast.unparse(node)) is not None
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


def _answers_alone(node: ast.FunctionDef) -> bool:
    """An equality that says yes without a look at the other side."""
    returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
    if _reads(node.args, *node.body):
        return bool(returned) and all(map(_is_yes, returned))
    return not all(map(_is_no, returned))


def _is_yes(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and bool(value.value)


def _is_no(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Constant):
        return not value.value
    return value is None or last(value) == "NotImplemented"


def _reads(args: ast.arguments, *body: ast.AST) -> bool:
    """Anything of its second argument."""
    names = [each.arg for each in (*args.posonlyargs, *args.args)][1:2]
    nodes = (node for part in body for node in ast.walk(part))
    return any(isinstance(node, ast.Name) and node.id in names for node in nodes)
