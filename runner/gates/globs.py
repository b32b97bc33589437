"""Path globs: what `paths` and `protected` mean, matched on bytes in time linear in both.

`*` any characters of one segment, `?` one character, `**` alone in a segment any number of whole
segments, a trailing `/` the path itself and everything below it. A leading `/` changes nothing:
every pattern starts at the root of the repository (`**/x` = at any depth). Everything else,
brackets and backslashes included, stands for itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

STAR = "**"


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern, e.g. `**/.git*/`, ready to match. Made by `parse`."""

    pattern: str
    segments: tuple[str, ...]
    folded: tuple[str, ...]
    literals: frozenset[str]
    """Folded segments without a wildcard: a path that lacks one of them is no match."""

    def matches(self, path: bytes) -> bool:
        """Exactly, byte by byte."""
        return _match(self.segments, path.decode(errors="surrogateescape").split("/"))

    def matches_folded(self, path: bytes) -> bool:
        """As the laxest file system would: see `fold`. For rules that protect."""
        segments = _folded(path)
        return self.literals <= frozenset(segments) and _match(self.folded, segments)


def parse(pattern: str) -> Glob:
    """Raises ValueError for a pattern that cannot match what its author meant."""
    body = pattern.removeprefix("/")
    segments = body.removesuffix("/").split("/")
    for segment in segments:
        if segment in ("", ".", "..") or "\0" in segment:
            raise ValueError(f"path glob {pattern!r} has the segment {segment!r}")
        if STAR in segment and segment != STAR:
            raise ValueError(f"path glob {pattern!r}: '**' must be a whole segment")
    subtree = (STAR,) if body.endswith("/") else ()
    folded = (*map(fold, segments), *subtree)
    literals = frozenset(each for each in folded if "*" not in each and "?" not in each)
    return Glob(pattern, (*segments, *subtree), folded, literals)


def fold(path: str) -> str:
    """One spelling for all names some file system takes for the same.

    Case and composition (macOS, Windows), invisible format characters (HFS+), and of a segment on
    Windows: backslashes, trailing dots and spaces, `:` with the name of a stream.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return "/".join(map(_stem, text.replace("\\", "/").split("/")))


@lru_cache(maxsize=4096)
def _folded(path: bytes) -> Sequence[str]:
    """Every path is asked about by every rule."""
    return tuple(fold(path.decode(errors="surrogateescape")).split("/"))


def _stem(segment: str) -> str:
    return segment.partition(":")[0].rstrip(". ") or segment


def _match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    return _wild(pattern, path, STAR, _match_segment)


def _match_segment(pattern: str, name: str) -> bool:
    return _wild(pattern, name, "*", lambda wanted, char: wanted in ("?", char))


def _wild(
    pattern: Sequence[str], items: Sequence[str], star: str, same: Callable[[str, str], bool]
) -> bool:
    """Glob matching with one place to come back to: the last star. O(pattern x items)."""
    at = here = 0
    back: tuple[int, int] | None = None
    while here < len(items):
        if at < len(pattern) and pattern[at] == star:
            back = (at, here)
            at += 1
        elif at < len(pattern) and same(pattern[at], items[here]):
            at, here = at + 1, here + 1
        elif back is not None:
            back = (back[0], back[1] + 1)
            at, here = back[0] + 1, back[1]
        else:
            return False
    return all(rest == star for rest in pattern[at:])
