"""Where a gateway is: a socket or a loopback port, and its files in the state directory."""

from __future__ import annotations

from pathlib import Path

Place = Path | tuple[str, int]
"""A UNIX socket, or a loopback address and a port; 0 = a free one."""


def home_of(state: Path) -> Path:
    """What is the gateway's in a state directory; mode 0700."""
    return state / "gateway"


def socket_of(state: Path) -> Path:
    """Where it listens unless it is told otherwise."""
    return home_of(state) / "gate.sock"


def tokens_of(state: Path) -> Path:
    """The hashes of its credentials."""
    return home_of(state) / "tokens.json"
