"""Keywords, scope, format and size.

Expressions of a policy are RE2's: no text makes them slow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol, cast

from runner.guardrails.fold import fold
from runner.guardrails.hit import Hit
from runner.records.guardrail import Format, Keywords, Size, TopicRules

_TRAILING = ".,!?;:"


class Found(Protocol):
    """A match."""

    def start(self) -> int: ...
    def end(self) -> int: ...


class Expression(Protocol):
    """A compiled pattern."""

    def finditer(self, text: str) -> Iterator[Found]: ...


@lru_cache(maxsize=256)
def expression(pattern: str) -> Expression:
    """Raises ValueError: not an expression of RE2."""
    import re2  # type: ignore[import-untyped]

    try:
        return cast(Expression, re2.compile(pattern))
    except re2.error as error:
        raise ValueError(str(error)) from error


def keywords(text: str, declared: Keywords) -> Iterator[Hit]:
    for start, end, word in _words(text, declared.keywords):
        yield Hit(start, end, "keyword", f"the word `{word}` is not allowed", mask="<KEYWORD>")


def topic(text: str, declared: TopicRules) -> Iterator[Hit]:
    for start, end, word in _words(text, declared.denied_keywords):
        yield Hit(start, end, "off-topic", f"`{word}` is outside of the scope")
    allowed = declared.allowed_keywords
    if allowed and next(_words(text, allowed), None) is None:
        yield Hit(0, 0, "off-topic", "none of the words that are in scope occurs", whole=True)


def form(text: str, declared: Format) -> Iterator[Hit]:
    for pattern in declared.must_match:
        if next(expression(pattern).finditer(text), None) is None:
            yield Hit(0, 0, "format", f"nothing matches `{pattern}`", whole=True)
    for pattern in declared.must_not_match:
        for match in expression(pattern).finditer(text):
            yield Hit(match.start(), match.end(), "format", f"matches `{pattern}`")


def size(text: str, declared: Size) -> Iterator[Hit]:
    if len(text) > declared.max_chars:
        what = f"{len(text)} characters, {declared.max_chars} are allowed"
        yield Hit(0, 0, "size", what, whole=True)


def _words(text: str, words: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Whole words and phrases, whatever their case and the blanks in them."""
    pattern = phrases(words)
    if pattern is None:
        return
    folded = fold(text)
    known = {_plain(word): word for word in map(_bare, words)}
    for match in expression(pattern).finditer(folded.text):
        start, end = match.start(), match.end()
        word = known.get(_plain(folded.text[start:end]), "one of the keywords")
        yield *folded.span(start, end), word


def phrases(words: Sequence[str]) -> str | None:
    """One expression for all of them, as `fold` spells them; None = there is nothing to find."""
    bare = tuple(filter(None, map(_bare, words)))
    return _any_of(bare) if bare else None


def _bare(word: str) -> str:
    return fold(word).text.rstrip(_TRAILING).strip()


@lru_cache(maxsize=64)
def _any_of(words: tuple[str, ...]) -> str:
    """The longest first; a boundary where a word begins or ends with a letter or digit."""
    longest = sorted((word.split() for word in words), key=lambda each: -len(" ".join(each)))
    return "(?i)" + "|".join(_bounded(r"\s{1,8}".join(map(_literal, each))) for each in longest)


def _bounded(pattern: str) -> str:
    first, last = (
        r"\b" if re.match(r"[A-Za-z0-9_]", end) else "" for end in (pattern, pattern[-1])
    )
    return f"{first}{pattern}{last}"


def _literal(word: str) -> str:
    """RE2 takes no backslash before what is not ASCII."""
    return re.sub(r"([^\w\x80-\U0010ffff])", r"\\\1", word)


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold()
