"""Runs of a text that decode to other text: base64, hex, percent signs. One layer, linear."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote_to_bytes

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}+={0,2}")
_HEX = re.compile(r"(?<![A-Za-z0-9])(?:[0-9a-fA-F]{2}){8,}+(?![A-Za-z0-9])")
_PERCENT = re.compile(r"[A-Za-z0-9._~+@-]{0,64}(?:%[0-9a-fA-F]{2}[A-Za-z0-9._~+@-]{0,64})+")


def decoded(text: str) -> Iterator[tuple[int, int, str]]:
    """Where a run stands and what it says, if that is printable text."""
    for pattern, decode in _DECODERS:
        for match in pattern.finditer(text):
            inner = decode(match[0]).decode("ascii", errors="replace")
            if inner.replace("\n", "").replace("\t", "").isprintable() and "\ufffd" not in inner:
                yield match.start(), match.end(), inner


def _base64(run: str) -> bytes:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - (len(body) % 4 == 1)]
    return base64.b64decode(body + "=" * (-len(body) % 4))


_DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
    (_BASE64, _base64),
    (_HEX, binascii.unhexlify),
    (_PERCENT, unquote_to_bytes),
)
