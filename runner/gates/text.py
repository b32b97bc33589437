"""Hostile text made visible: what a person or a model could not see is written as an escape."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_VARIATION = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def visible(text: str) -> str:
    """Controls, bidi marks, zero-width, tag and private characters -> `\\u{202e}`.

    Line feeds and tabs stay. A backslash stays too: this is for reading, not for decoding.
    """
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(f"\\u{{{ord(char):x}}}" if _is_hidden(char) else char for char in text)


def visible_bytes(data: bytes) -> str:
    """The same for bytes; what is not UTF-8 is written `\\xff`."""
    return visible(data.decode(errors="backslashreplace"))


def line(text: str, limit: int = 500) -> str:
    """One printable line of at most `limit` characters."""
    return clip(" ".join(visible(text).split()), limit)


def clip(text: str, limit: int) -> str:
    """The first `limit` characters, and a mark if that is not all."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def tail(text: str, limit: int) -> str:
    """The last `limit` characters, and a mark if that is not all."""
    return text if len(text) <= limit else "…" + text[-(limit - 1) :]


def _is_hidden(char: str) -> bool:
    if char in "\n\t":
        return False
    if unicodedata.category(char) in _HIDDEN or char in _FILLERS:
        return True
    return any(ord(char) in block for block in _VARIATION)
