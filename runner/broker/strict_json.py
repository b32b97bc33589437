"""JSON read so that no two parsers can disagree about it."""

from __future__ import annotations

import json
from typing import NoReturn

from runner.broker.refusal import RefusalError

MAX_DIGITS = 20
"""Of an integer: 64 bits and a sign."""
MAX_MARKS = 500_000
"""Commas and opening brackets: bounds the objects a small body can unfold into."""


def parse(body: bytes) -> object:
    """Strict UTF-8 JSON without duplicate keys, NaN or Infinity.

    Raises:
        RefusalError: anything else.
    """
    if sum(body.count(mark) for mark in (b",", b"[", b"{")) > MAX_MARKS:
        raise RefusalError("json-too-many-values", "the request has too many values")
    try:
        text = body.decode()
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_int=_bounded
        )
    except RecursionError:
        raise RefusalError("json-too-deep", "the request is nested too deep") from None
    except ValueError:  # bad UTF-8, bad JSON
        raise RefusalError("json-invalid", "the request is not valid JSON") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RefusalError("json-duplicate-key", "the request has a duplicate key")
    return found


def _bounded(digits: str) -> int:
    """Long ones take a time that grows with their square."""
    if len(digits) > MAX_DIGITS:
        raise RefusalError("json-invalid", "the request has a number of too many digits")
    return int(digits)


def _refuse_constant(_: str) -> NoReturn:
    raise RefusalError("json-invalid", "the request has a number that JSON does not know")
