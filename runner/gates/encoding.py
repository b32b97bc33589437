"""Python whose text depends on who reads it: what an analyser and a reviewer see may not be run."""

from __future__ import annotations

import codecs
import io
import re
import tokenize
import unicodedata

PLAIN = frozenset({"utf-8", "utf-8-sig", "ascii"})
MARKS = 100
"""Combining marks on one letter; no language has more than a few."""
_FOREIGN = re.compile(rf"[^\x00-\x7f]{{{MARKS},}}")


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


def is_piled(data: bytes) -> bool:
    """Letters with so many combining marks that no parser of Python should see them: it puts the
    marks of a name in order in time by the square of their number."""
    try:
        name = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
        text = data.decode(name, errors="replace")
    except (SyntaxError, LookupError, ValueError):
        return False  # nor will a parser read it
    for run in _FOREIGN.findall(text):
        piled = 0
        for char in run:
            piled = piled + 1 if unicodedata.combining(char) else 0
            if piled > MARKS:
                return True
    return False
