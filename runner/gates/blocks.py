"""Whether code in a language with braces is reached, told by its blocks; never run.

Only compared with itself: what cannot be told here cannot be told on the other side either.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

_COMMENT = rb"//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)"
_DOUBLE = rb'"""[\s\S]*?(?:"""|\Z)|"(?:\\.|[^"\\\n])*"?'
SCRIPT = re.compile(
    rb"(?P<keep>(?P<before>(?:[(,=:\[!&|?{};]|\breturn\b)[ \t]*)?)"
    rb"(?P<blank>" + _COMMENT + rb"|" + _DOUBLE + rb"|'(?:\\.|[^'\\\n])*'?|`(?:\\[\s\S]|[^`\\])*`?"
    rb"|(?(before)/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n]){0,100}+\]|[^/\\\n\[]){1,500}+/|(?!)))"
)
"""Comments, strings and literals of patterns."""
COMPILED = re.compile(
    rb"(?P<keep>)(?P<blank>" + _COMMENT + rb"|\br(#*)\"[\s\S]*?(?:\"\3|\Z)|" + _DOUBLE + rb"|"
    rb"'(?:\\[^'\n]+|[^'\\\n])'|`[^`]*`?)"
)
"""The same where a single quote holds one character."""

Kind = Literal["if", "try", "catch", "loop", "function", "later", "plain"]
_KINDS: Sequence[tuple[Kind, re.Pattern[bytes]]] = (
    ("catch", re.compile(rb"\b(?:catch|rescue)\b")),
    ("if", re.compile(rb"\b(?:if|else|switch|match|select|while|unless|guard|when)\b")),
    ("if", re.compile(rb"\bfor\b.*\[\s*\]\s*\)?\s*$")),
    ("loop", re.compile(rb"^\s*(?:for|foreach|loop)\b")),
    ("try", re.compile(rb"\btry\s*$")),
    (
        "later",
        re.compile(
            rb"\bfunction\s*\*?\s*[\w$]+|[\w$\])]\s*:?=\s*(?:async\s*)?(?:move\s*)?"
            rb"(?:func\b|function\b|\([^()]*\)\s*(?::[^=]*)?=>|[\w$]+\s*=>|\([^()]*\)\s*->|\|)"
        ),
    ),
    (
        "function",
        re.compile(rb"=>\s*$|->\s*$|\|\s*$|\b(?:function|func|fn|fun|def)\b|\)[^(){};=]*$"),
    ),
)
_TOKEN = re.compile(rb"[{}]|\b(?:return|break|continue)\b")
_SOMETIMES = re.compile(rb"\b(?:if|while)\b|&&|[\w)\]]\s*\|\||\?(?![.:?])")
_GOES_ON = re.compile(
    rb"^\s*(?:\}\s*)?(?:else\s+)?(?:if|while)\b.*\)\s*$|\belse\s*$|(?:&&|\|\||\?)\s*$"
)
_OWN_UP = re.compile(rb"\bthrow\b|\bfail|expect|assert|\bdone\(")
MOST_LINES = 20
MOST_BYTES = 1000
"""Of what stands before a place."""
MOST_TOKENS = 20_000
"""What comes after as many braces and ways out is in doubt."""
DEEPEST = 200
"""Blocks further out are not looked at."""


@dataclass(slots=True)
class _Block:
    kind: Kind
    head: bytes
    start: int
    left: int = 0
    """Ways out of it that were passed so far."""
    checks: list[Reached] = field(default_factory=list)


@dataclass(slots=True)
class Reached:
    """One check."""

    line: int
    offset: int
    doubts: int = 0
    """Conditions and ways out between the start of its function and it."""
    guard: bytes = b""
    """The condition right around it."""


def plain(source: bytes, blanked: re.Pattern[bytes]) -> bytes:
    """As long as `source`, with spaces for what is no code."""
    return (
        blanked.sub(lambda found: found["keep"] + _spaces(found["blank"]), source)
        if source
        else b""
    )


def _spaces(text: bytes) -> bytes:
    return re.sub(rb"[^\n]", b" ", text)


def reached(code: bytes, check: re.Pattern[bytes]) -> tuple[Reached, ...]:
    """Every place in plain code where `check` matches, in order; the first of each line."""
    return tuple(_Walk(code).all(check))


class _Walk:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._starts = [0, *(each.end() for each in re.finditer(rb"\n", code))]
        self._owned = [each.start() for each in _OWN_UP.finditer(code)]
        self._open: list[_Block] = []
        self._closed: _Block | None = None

    def all(self, check: re.Pattern[bytes]) -> Iterator[Reached]:
        tokens = [(each.start(), each[0]) for each in _TOKEN.finditer(self._code)]
        wanted = {
            self._line(each.start()): each.start()
            for each in reversed([*check.finditer(self._code)])
        }
        places = [(offset, b"") for offset in wanted.values()]
        end = tokens[MOST_TOKENS][0] if len(tokens) > MOST_TOKENS else len(self._code)
        for offset, token in sorted([*tokens[:MOST_TOKENS], *places]):
            if token == b"{":
                self._enter(offset)
            elif token == b"}":
                self._leave(offset)
            elif token:
                self._out(token)
            else:
                yield self._check(offset, int(offset > end))

    def _line(self, offset: int) -> int:
        return bisect_right(self._starts, offset)

    def _head(self, offset: int) -> bytes:
        """What stands before a brace: its line, and those above while brackets are open."""
        first = self._line(offset) - 1
        text = self._text(self._starts[first], offset)
        for above in range(first - 1, max(first - MOST_LINES, -1), -1):
            if text.count(b")") <= text.count(b"("):
                break
            text = self._text(self._starts[above], offset)
        return text[max(text.rfind(b"{"), text.rfind(b"}")) + 1 :]

    def _text(self, start: int, end: int) -> bytes:
        return self._code[max(start, end - MOST_BYTES) : end]

    def _enter(self, offset: int) -> None:
        head = self._head(offset)
        kind: Kind = next((kind for kind, pattern in _KINDS if pattern.search(head)), "plain")
        block = _Block(kind, head.strip(), offset)
        if kind == "later" and not self._open:
            block.kind = "function"
        if kind == "catch" and self._closed is not None and self._closed.kind == "try":
            block.checks = self._closed.checks
        self._open.append(block)

    def _leave(self, offset: int) -> None:
        if not self._open:
            return
        block = self._closed = self._open.pop()
        if block.kind == "catch" and not self._owns_up(block.start, offset):
            for each in block.checks:
                each.doubts += 1

    def _owns_up(self, start: int, end: int) -> bool:
        """Looked for once in all the code: blocks may lie in blocks."""
        at = bisect_left(self._owned, start)
        return at < len(self._owned) and self._owned[at] < end

    def _out(self, token: bytes) -> None:
        kinds = ("function", "later") if token == b"return" else ("loop",)
        for block in reversed(self._open[-DEEPEST:]):
            if block.kind in kinds:
                block.left += 1
                return
            if token == b"break" and block.head.startswith((b"switch", b"select", b"match")):
                return

    def _check(self, offset: int, doubts: int) -> Reached:
        line = self._line(offset)
        before = self._text(self._starts[line - 1], offset)
        above = self._text(self._starts[max(line - 2, 0)], self._starts[line - 1])
        found = Reached(line, offset)
        around = self._open[-DEEPEST:]
        found.doubts = doubts + sum(each.left + (each.kind in ("if", "later")) for each in around)
        same = re.split(rb"[{};]", before)[-1]
        found.doubts += bool(_SOMETIMES.search(same)) or bool(_GOES_ON.search(above.rstrip()))
        inner = self._open[-1] if self._open else None
        found.guard = inner.head if inner is not None and inner.kind == "if" else b""
        for each in around:
            if each.kind == "try":
                each.checks.append(found)
        return found
