"""Bodies read so that no two parsers can disagree about them: strict JSON, then a closed record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pydantic import ValidationError

from runner.records.base import Record
from runner.text import line

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_BYTES = 1024 * 1024
"""Of a body."""
MAX_DIGITS = 20
MOST_WHOLE = 2**53
_REASON = 200

R = TypeVar("R", bound=Record)


class MalformedError(Exception):
    """What came is no request; the text says why, in one line that repeats none of its values."""


async def body_of(request: Request, most: int = MAX_BYTES) -> bytes | None:
    """None = it is too large, or the client is gone: who is too slow is cut off by the server."""
    body = b""
    while len(body) <= most:
        message = await request.receive()
        if message["type"] != "http.request":
            return None
        chunk: bytes = message.get("body", b"")
        body += chunk
        if not message.get("more_body"):
            return body if len(body) <= most else None
    return None


def read(record: type[R], body: bytes | None) -> R:
    """UTF-8 JSON without doubled keys, NaN or Infinity, of exactly this shape.

    Raises:
        MalformedError: anything else.
    """
    if body is None:
        raise MalformedError(f"the body is over {MAX_BYTES} bytes, or took too long")
    try:
        return record.model_validate(_parse(body))
    except ValidationError as error:
        raise MalformedError(_first(error)) from None


def _parse(body: bytes) -> object:
    try:
        return _DECODER.decode(body.decode())
    except RecursionError:
        raise MalformedError("the body is nested too deep") from None
    except ValueError:  # bad UTF-8, bad JSON
        raise MalformedError("the body is not valid JSON") from None


def _first(error: ValidationError) -> str:
    """Where it is wrong, and how; an unknown key may be any text."""
    found = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in found["loc"]) or "the body"
    return line(f"{where}: {found['msg']}", _REASON)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedError("the body has a key twice")
    return found


def _bounded(digits: str) -> int:
    """Long ones take a time that grows with their square."""
    if len(digits) > MAX_DIGITS:
        raise MalformedError("the body has a number of too many digits")
    return int(digits)


def _whole(digits: str) -> float | int:
    """To JSON Schema 7.0 is an integer."""
    found = float(digits)
    return int(found) if found.is_integer() and abs(found) < MOST_WHOLE else found


def _refuse_constant(_: str) -> NoReturn:
    raise MalformedError("the body has a number that JSON does not know")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=_whole,
    parse_int=_bounded,
)
