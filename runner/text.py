r"""Hostile text made visible: what a person could not see is written as an escape.

Codex's words, paths, test output, a server's message: all may be written by an enemy. Rooms build
on these; what a forge or a CI log would obey is the report room's business.
"""

from __future__ import annotations

import json
import re
import unicodedata

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Printable to Python, invisible to people: fillers and variation selectors."""

_UNPRINTED = re.compile(r"[^\n -~]")
_INEXACT = re.compile(r"[^\n\t -~]")

_STACKED_MARKS = 4
"""Combining marks on one letter that are left alone; more paint over other lines."""


def visible(text: str) -> str:
    r"""Controls, bidi and zero-width characters -> `\x1b`, `\u202e`; `\n` stays. Idempotent.

    For people: some of what differs looks the same afterwards. See `exact`.
    """
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return _unstacked("".join(map(_shown, text)))


def exact(text: str) -> str:
    """Nothing lost, nothing hidden: what is no letter and no printable ASCII -> `⟦U+FE0F⟧`.

    Line feeds and tabs stay. The brackets are escaped themselves, so only this function writes
    them: two texts that differ never look the same. Bytes that are not UTF-8 are taken as
    `errors="surrogateescape"` gives them: `\\xff` -> `⟦U+DCFF⟧`.
    """
    return _INEXACT.sub(_spelled_out, text)


def line(text: str, limit: int = 500) -> str:
    """One printable line of at most `limit` characters. Idempotent."""
    return cut(" ".join(visible(text).split()), limit)


def cut(text: str, limit: int) -> str:
    """The first `limit` characters, with a mark if that is not all."""
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def tail(text: str, limit: int) -> str:
    """The last `limit` characters, with a mark if that is not all."""
    return text if len(text) <= limit else "..." + text[3 - limit :]


def _spelled_out(match: re.Match[str]) -> str:
    char = match[0]
    is_letter = unicodedata.category(char).startswith("L") and char not in _BLANK_LETTERS
    return char if is_letter else f"⟦U+{ord(char):04X}⟧"


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


def to_json(value: object, indent: int | None = 2) -> str:
    """ASCII only: nothing in a string reaches a terminal as a control. Half a pair becomes `?`."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    whole = text.encode(errors="replace").decode()
    return _UNPRINTED.sub(
        lambda found: json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f"), whole
    )
