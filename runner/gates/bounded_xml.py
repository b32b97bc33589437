"""XML out of a sandbox: no entities, nothing fetched, bounded in size, depth and elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

MOST_ELEMENTS = 2_000_000
MOST_DEPTH = 50


class NotReadableError(ValueError):
    """No XML, or none that is worth reading."""


def read(
    data: bytes,
    begin: Callable[[str, Mapping[str, str]], None],
    end: Callable[[str], None] = lambda _: None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Calls `begin(name, attributes)`, `text(piece)` and `end(name)` as they come.

    Raises:
        NotReadableError: it is not well-formed, declares entities, or is too deep or too long.
    """
    parser = expat.ParserCreate()
    depth = count = 0

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MOST_DEPTH or count > MOST_ELEMENTS:
            raise NotReadableError("too deep or too long")
        begin(name, attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name)

    def refused(*_: object) -> None:
        raise NotReadableError("it declares entities")

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.EntityDeclHandler = refused
    if text is not None:
        parser.CharacterDataHandler = text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise NotReadableError(str(error)) from error
