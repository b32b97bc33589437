"""Ways to read the same bytes: as they are, without NULs, with literals joined, decoded.

Every view is valid UTF-8 and knows which line of the source its bytes came from. All work is
linear, nothing is left out: what decodes is decoded until nothing does.
"""

from __future__ import annotations

import base64
import binascii
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable

DEPTH = 8
"""Nobody means well who encodes more often than that."""
RUN_BYTES = 12
"""Shorter decoded texts hold no credential."""

_JOINT = re.compile(
    rb"[\"'`][ \t]*+(?:[+.&|,\\][ \t]*+)?(?:\r?\n[ \t]*+)?(?:[+.&|,][ \t]*+)?[fbruFBRU]{0,2}[\"'`]"
    rb"|\\\r?\n[ \t]*+"
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}+(?:\r?\n[ \t]*+[A-Za-z0-9+/_-]++)*+={0,2}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){12,}+")
_ESCAPED = re.compile(
    rb"(?<![\w.~-])[\w.~-]*+(?:(?:%|\\x|\\u00|&#x)[0-9a-fA-F]{2};?[\w.~-]*+)++", re.ASCII
)
"""A word of which at least one character is escaped."""
_TEXT = re.compile(rb"[\t\r\n -~]{%d,}+" % RUN_BYTES)
_NEWLINE = re.compile(rb"\n")
_BLANK = re.compile(rb"\s+")
_ESCAPE = re.compile(rb"(?:%|\\x|\\u00|&#x)([0-9a-fA-F]{2});?")


class View:
    """One reading. `starts[i]` is an offset here that lies on line `lines[i]` of the source."""

    def __init__(self, kind: str, text: bytes, starts: array[int], lines: array[int]) -> None:
        self.kind = kind
        self.text = text
        self._starts = starts
        self._lines = lines
        self._newlines = array("I", (match.start() for match in _NEWLINE.finditer(text)))

    def line(self, offset: int) -> int:
        """The line of the source, from 1."""
        at = bisect_right(self._starts, offset) - 1
        passed = bisect_left(self._newlines, offset) - bisect_left(self._newlines, self._starts[at])
        return self._lines[at] + passed


class DeepError(Exception):
    """Encoded more than `DEPTH` times."""


def views(data: bytes) -> list[View]:
    """The plain view first; the others only where they differ from it.

    Raises:
        DeepError: something is left that would decode.
    """
    found = [_view("plain", data)]
    if b"\0" in data:
        found.append(_view("bare", data.replace(b"\0", b"")))
    level = found = [*found, *_all_joined(found)]
    for _ in range(DEPTH):
        level = [view for source in level if (view := _decoded(source)) is not None]
        level = [*level, *_all_joined(level)]
        found = [*found, *level]
    if any(_decoded(view) is not None for view in level):
        raise DeepError
    return found


def _all_joined(sources: Iterable[View]) -> list[View]:
    return [view for source in sources if (view := _joined(source)) is not None]


def _view(kind: str, data: bytes) -> View:
    """A leading byte order mark would make a scanner guess another encoding."""
    text = data.decode(errors="replace").lstrip("\ufeff").encode()
    return View(kind, text, array("I", (0,)), array("I", (1,)))


def _joined(source: View) -> View | None:
    """Adjacent string literals and continued lines as one."""
    text = bytearray()
    starts, lines = array("I", (0,)), array("I", (1,))
    end = 0
    for match in _JOINT.finditer(source.text):
        text += source.text[end : match.start()]
        end = match.end()
        starts.append(len(text))
        lines.append(source.line(end))
    if end == 0:
        return None
    text += source.text[end:]
    return View("joined", bytes(text), starts, lines)


def _decoded(source: View) -> View | None:
    """Every text in what decodes in `source`, one after the other."""
    text = bytearray()
    starts, lines = array("I"), array("I")
    for pattern, decode in _DECODERS:
        for match in pattern.finditer(source.text):
            for run in _TEXT.findall(decode(match[0])):
                starts.append(len(text))
                lines.append(source.line(match.start()))
                text += run + b"\n"
    return View("decoded", bytes(text), starts, lines) if text else None


def _base64(run: bytes) -> bytes:
    body = _BLANK.sub(b"", run).rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    return base64.b64decode(body + b"=" * (-len(body) % 4)).replace(b"\0", b"")


def _escaped(word: bytes) -> bytes:
    return _ESCAPE.sub(lambda each: binascii.unhexlify(each[1]), word)


_DECODERS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], bytes]], ...] = (
    (_BASE64, _base64),
    (_HEX, binascii.unhexlify),
    (_ESCAPED, _escaped),
)
