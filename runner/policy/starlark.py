"""Codex's `.rules` files: the literal part of Starlark, read without running anything.

`prefix_rule(pattern=["git", ["push", "fetch"]], decision="forbidden", justification="...",
match=["git push"], not_match=["git status"])`. That part is Python's syntax too. Codex runs the
whole language: what a variable, a function or a loop would add is an error here, never left out.
https://developers.openai.com/codex/rules and codex 0.163.0 (2026-11).
"""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from runner.errors import ConfigError
from runner.policy.rules_read import KEYS, MAX_RULES, make_rule
from runner.policy.toml import MAX_BYTES
from runner.records.rules import CommandRule

RULE = "prefix_rule"
ORDER = ("pattern", "decision", "match", "not_match", "justification")
"""Of arguments without a name."""
ELSEWHERE = frozenset({"network_rule", "host_executable"})
"""Codex knows them; here the walls decide on the network, and every path of a program is heeded."""
MAX_DEPTH = 3
"""Of lists: a list of places, each a list of words."""
_REMEDY = 'write prefix_rule(pattern=["git", "push"], decision="forbidden")'


@dataclass(frozen=True, slots=True)
class RulesFile:
    """What one file asks for."""

    rules: tuple[CommandRule, ...]
    unheeded: tuple[str, ...]
    """One line each: `default.rules, line 3: network_rule: ...`."""


def read_rules_file(text: str, source: str) -> RulesFile:
    """Raises ConfigError naming source and line."""
    rules: list[CommandRule] = []
    unheeded: list[str] = []
    for call in _calls(_module(text, source), source):
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        where = f"{source}, line {call.lineno}"
        if name in ELSEWHERE:
            unheeded.append(f"{where}: {name}: not heeded, the sandbox's walls decide")
        elif name == RULE:
            rules.append(_rule(call, source))
        else:
            raise _error(source, call, "", "only prefix_rule(...) is read")
    if len(rules) > MAX_RULES:
        raise ConfigError(f"{source}: more than {MAX_RULES} rules", "shorten it")
    return RulesFile(tuple(rules), tuple(unheeded))


def _module(text: str, source: str) -> ast.Module:
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError(f"{source}: more than {MAX_BYTES} bytes", "shorten it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `"\d"` is the same two characters in both languages
            module = ast.parse(text)
        _separate(text, source)
    except SyntaxError as error:
        raise ConfigError(f"{source}, line {error.lineno or 1}: {error.msg}", _REMEDY) from error
    except (ValueError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise ConfigError(f"{source}: nested too deeply, or not text", _REMEDY) from error
    return module


def _separate(text: str, source: str) -> None:
    """Two strings without a comma are one in Python, and an error in Starlark."""
    before = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == before == tokenize.STRING:
            raise ConfigError(
                f"{source}, line {token.start[0]}: two strings side by side",
                "put a comma between them",
            )
        if token.type not in {tokenize.NL, tokenize.COMMENT}:
            before = token.type


def _calls(module: ast.Module, source: str) -> Iterator[ast.Call]:
    for statement in module.body:
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Call):
            yield value
        elif not isinstance(value, ast.Constant) or not isinstance(value.value, str):
            raise _error(source, statement, "", "only prefix_rule(...) is read")


def _rule(call: ast.Call, source: str) -> CommandRule:
    nodes = dict(zip(ORDER, call.args, strict=False))
    for keyword in call.keywords:
        if keyword.arg not in KEYS or keyword.arg in nodes:
            raise _error(source, keyword, keyword.arg or "", f"known once: {', '.join(ORDER)}")
        nodes[keyword.arg] = keyword.value
    if len(call.args) > len(ORDER):
        raise _error(source, call, "", "too many arguments")

    def fail(key: str, why: str, remedy: str) -> ConfigError:
        line = getattr(nodes.get(key), "lineno", call.lineno)
        return ConfigError(f"{source}, line {line}: {key}: {why}", remedy)

    given = {key: _literal(node, key, source, 0) for key, node in nodes.items()}
    return make_rule(given, fail, f"{source}, line {call.lineno}")


def _literal(node: ast.expr, key: str, source: str, depth: int) -> object:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.List) and depth < MAX_DEPTH:
        return [_literal(each, key, source, depth + 1) for each in node.elts]
    raise _error(source, node, key, "is neither a string nor a list of strings")


def _error(source: str, node: ast.AST, key: str, why: str) -> ConfigError:
    line = getattr(node, "lineno", 1)
    return ConfigError(f"{source}, line {line}: {key}{': ' if key else ''}{why}", _REMEDY)
