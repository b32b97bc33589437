"""TOML that nobody has written to keep its reader busy: a dotted key costs its length squared."""

from __future__ import annotations

import tomllib

from runner.gates.packages import Table, UnreadableError
from runner.gates.packages import read_toml as read_listing

MOST_DOTS = 256
"""In one line; honest ones have a few, those of an address included."""


def is_bounded(data: bytes) -> bool:
    """A key never goes over the end of a line, so its dots are all in one."""
    return all(row.count(b".") <= MOST_DOTS for row in data.split(b"\n"))


def read(data: bytes, most_bytes: int) -> dict[str, object]:
    """Raises ValueError: no TOML, or more of it than anybody needs."""
    if len(data) > most_bytes or not is_bounded(data):
        raise ValueError("too large, or keys with too many parts")
    return tomllib.loads(data.decode())


def read_toml(data: bytes) -> Table:
    """Of a manifest or lockfile. Raises UnreadableError."""
    if not is_bounded(data):
        raise UnreadableError(f"a line of more than {MOST_DOTS} dots")
    return read_listing(data)
