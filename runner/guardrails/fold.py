"""A text as it is meant, however it is spelled: full-width signs, odd dashes, zero-width letters.

Every offset in the folded text leads back to the original.
"""

from __future__ import annotations

import unicodedata
from array import array
from dataclasses import dataclass

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−"), "-")
_SPACES = dict.fromkeys(map(ord, "\u00a0\u2007\u202f"), " ")
_IGNORED = frozenset("\u00ad\u034f\u180e") | frozenset(map(chr, range(0xFE00, 0xFE10)))


@dataclass(frozen=True, slots=True)
class Folded:
    """`text[i]` comes from `at[i]` of the original; None = it is the original."""

    text: str
    at: array[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Of the original, for a span that is not empty."""
        if self.at is None:
            return start, end
        return self.at[start], self.at[end - 1] + 1


def fold(text: str) -> Folded:
    """Letter by letter, in linear time."""
    if text.isascii():
        return Folded(text)
    kept: list[str] = []
    at = array("I")
    for offset, char in enumerate(text):
        plain = char if char.isascii() else _plain(char)
        kept.append(plain)
        at.extend([offset] * len(plain))
    return Folded("".join(kept), at)


def _plain(char: str) -> str:
    if char in _IGNORED or unicodedata.category(char) == "Cf":
        return ""
    spelled = char.translate(_DASHES).translate(_SPACES)
    return unicodedata.normalize("NFKC", spelled)[:8]
