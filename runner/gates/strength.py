"""How much an assertion asks: nothing, nearly anything, or one value; and how exactly."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping

from runner.gates.context import last

_EQUALS = frozenset(
    {"assertEqual", "assertEquals", "assertIs", "assertAlmostEqual", "assert_equal"}
)
_TRUE = frozenset({"assertTrue", "assert_", "ok_", "assert_true"})
_FALSE = frozenset({"assertFalse", "assertIsNone"})
_SAME = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
_COMPARES = re.compile(
    r"(?<!!)==|\bis (?!not\b)|assertIs(?!Not|Instance)|(?:\b|_)eql?\b"
    r"|(?i:equal|raises|match|throws|toBe|toEqual|contain|count|almost|called|verify)"
)
_LOOSE = re.compile(
    r"is not None|\btype\([^()]{0,80}\) is |IsNotNone|isinstance|>= ?0\b"
    r"|toBeDefined|toBeTruthy"
    r"|not_to be_nil|\bANY\b|\b[Nn]otEqual|\bassert_ne!|\.not\.to|\banything\(|expect\.any\("
    r"|toThrow\(\)|[rR]aises\((?:Exception|BaseException)\b"
)
_NUMBER = r"-?\d[\d_]*\.?[\d_]*(?:[eE][-+]?\d+)?"
_NAMED = re.compile(
    rf",\s*(rel|abs|rtol|atol|delta|tolerance|epsilon|rel_tol|abs_tol|nulp|places|decimal|digits"
    rf"|significant|precision)\s*[=:]\s*({_NUMBER})"
)
_PLACED = re.compile(rf"(toBeCloseTo|InDelta|InEpsilon)\([^,]*(?:,.*)?,\s*({_NUMBER})\s*\)+;?$")
_FINER_UP = frozenset({"places", "decimal", "digits", "significant", "precision", "toBeCloseTo"})
"""Of these more is stricter."""
MOST_CHARS = 1000
MOST_TOLERANT = 0.5
_UNSAID = {"rel": 1e-6, "abs": 1e-12, "rtol": 1e-7, "rel_tol": 1e-9, "places": 7.0, "decimal": 6.0}
_UNSAID |= {"toBeCloseTo": 2.0}
"""What holds where nothing is said."""


def spelled(check: ast.AST) -> str:
    """With a tolerance by its name."""
    if isinstance(check, ast.Call) and "AlmostEqual" in last(check) and len(check.args) > 2:
        named = [ast.keyword("places", check.args[2]), *check.keywords]
        check = ast.Call(check.func, check.args[:2], named)
    return ast.unparse(check)


def cannot_fail(check: ast.AST) -> bool:
    """An assertion that passes whatever the code under test does."""
    match check:
        case ast.Assert(test=test):
            return _is(test, True)
        case ast.Call(func=func, args=[first, second, *_]) if last(func) in _EQUALS:
            return _alike(first, second)
        case ast.Call(func=func, args=[first, *_]) if last(func) in _TRUE:
            return _is(first, True)
        case ast.Call(func=func, args=[first, *_]) if last(func) in _FALSE:
            return _is(first, False)
        case _:
            return False


def _is(node: ast.expr, wanted: bool) -> bool:
    """It is known to be true, or known to be false, without being run."""
    parts = _parts(node)
    if parts is not None:
        return bool(parts) is wanted and not any(isinstance(each, ast.Starred) for each in parts)
    match node:
        case ast.Constant(value=value):
            return bool(value) is wanted
        case ast.Lambda() | ast.GeneratorExp():
            return wanted
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return _is(inner, not wanted)
        case ast.NamedExpr(value=inner):
            return _is(inner, wanted)
        case ast.BoolOp(op=op, values=values):
            found = [_is(each, wanted) for each in values]
            return any(found) if isinstance(op, ast.Or) is wanted else all(found)
        case ast.IfExp(body=body, orelse=orelse):
            return _is(body, wanted) and _is(orelse, wanted)
        case ast.Compare(left=left, ops=ops, comparators=others):
            pairs = zip([left, *others], others, strict=False)
            return wanted and all(map(_holds, ops, pairs))
        case _:
            return False


def _parts(node: ast.expr) -> list[ast.expr] | None:
    """What makes a literal true by being there; None = it is none."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return parts
        case ast.Dict(values=parts):
            return parts
        case ast.JoinedStr(values=parts):
            return [each for each in parts if isinstance(each, ast.Constant)] or None
        case _:
            return None


def _holds(op: ast.cmpop, pair: tuple[ast.expr, ast.expr]) -> bool:
    left, right = pair
    if isinstance(op, ast.GtE) and isinstance(left, ast.Call) and last(left) == "len":
        return ast.unparse(right) == "0"
    constant = isinstance(left, ast.Constant) and isinstance(right, ast.Constant)
    return constant or (isinstance(op, _SAME) and _alike(left, right))


def _alike(left: ast.expr, right: ast.expr) -> bool:
    return "ANY" in (last(left), last(right)) or ast.dump(left) == ast.dump(right)


def strength(checks: Counter[str]) -> int:
    """1 for one that nearly anything passes, 2 for a comparison."""
    return sum(times * (2 if _is_comparison(text) else 1) for text, times in checks.items())


def _is_comparison(text: str) -> bool:
    return _COMPARES.search(text) is not None and _LOOSE.search(text) is None


def wider(before: str, after: str) -> bool:
    """The same assertion, but for a tolerance that lets more pass."""
    (kept, old), (same, new) = _tolerances(before), _tolerances(after)
    if kept != same or old == new:
        return False
    return any(_is_wider(name, old.get(name), new.get(name)) for name in {*old, *new})


def exactly(text: str) -> str:
    """Without its tolerances: what two assertions share of which one may be wider."""
    return _tolerances(text)[0]


def rough(text: str) -> bool:
    """It names a tolerance that hardly any value is out of."""
    _, found = _tolerances(text)
    return any(
        value <= 0 if name in _FINER_UP else value >= MOST_TOLERANT for name, value in found.items()
    )


def _tolerances(text: str) -> tuple[str, Mapping[str, float]]:
    """The text without them, and each by its name or its function's."""
    text = text[:MOST_CHARS]
    found = {name: float(number.replace("_", "")) for name, number in _NAMED.findall(text)}
    bare = _NAMED.sub("", text)
    if placed := _PLACED.search(bare):
        found[placed[1]] = float(placed[2].replace("_", ""))
        bare = bare[: placed.start(2)].rstrip(", ") + bare[placed.end(2) :]
    return bare, found


def _is_wider(name: str, old: float | None, new: float | None) -> bool:
    unsaid = _UNSAID.get(name, 0.0)
    before, after = (unsaid if each is None else each for each in (old, new))
    return after < before if name in _FINER_UP else after > before
