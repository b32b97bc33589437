"""Python whose text depends on who reads it: what an analyser and a reviewer see may not be run."""

from __future__ import annotations

import codecs
import io
import tokenize

PLAIN = frozenset({"utf-8", "utf-8-sig", "ascii"})


def strange(data: bytes) -> str | None:
    """What is wrong with the way this Python is written, in words; None = nothing."""
    try:
        name = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        if codecs.lookup(name).name not in PLAIN:
            return f"declares the encoding {name}"
        data.decode("utf-8")
    except (SyntaxError, LookupError, ValueError):
        return "is no UTF-8"
    return "holds NUL bytes" if b"\0" in data else None
