r"""Hostile text made visible: what a person could not see is written as an escape.

Codex's words, paths, test output, a server's message: all may be written by an enemy. Rooms build
on these; what a forge or a CI log would obey is the report room's business.
"""

from __future__ import annotations

import unicodedata

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Printable to Python, invisible to people: fillers and variation selectors."""

_STACKED_MARKS = 4
"""Combining marks on one letter that are left alone; more paint over other lines."""


def visible(text: str, *, keep_tabs: bool = False) -> str:
    r"""Controls, bidi and zero-width characters -> `\x1b`, `\u202e`; `\n` stays. Idempotent."""
    if keep_tabs:
        return "\t".join(map(visible, text.split("\t")))
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return _unstacked("".join(map(_shown, text)))


def line(text: str, limit: int = 500) -> str:
    """One printable line of at most `limit` characters. Idempotent."""
    return cut(" ".join(visible(text).split()), limit)


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, with a mark if that is not all."""
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def tail(text: str, limit: int) -> str:
    """The last `limit` characters, with a mark if that is not all."""
    return text if len(text) <= limit else "..." + text[3 - limit :]


def _shown(char: str) -> str:
    if char == "\n" or (char.isprintable() and char not in _BLANK_LETTERS):
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    if char in "\ufe0e\ufe0f":  # text or emoji style of the letter before: harmless, common
        return ""
    return char.encode("unicode_escape").decode()


def _unstacked(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    stacked = 0
    for char in text:
        stacked = stacked + 1 if unicodedata.category(char) in {"Mn", "Me"} else 0
        if stacked <= _STACKED_MARKS:
            kept.append(char)
    return "".join(kept)
