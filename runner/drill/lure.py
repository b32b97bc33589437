"""Listeners on the host that no sandbox may reach. They answer the host: the attack can work."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Lure:
    """Where they listen."""

    port: int
    """TCP, on 127.0.0.1."""
    abstract: str
    """Name of an abstract UNIX socket: it belongs to a network namespace, not to a file system."""
    path: str
    """A UNIX socket anybody may connect to."""


@contextmanager
def lure(home: Path) -> Iterator[Lure]:
    """Raises OSError: one of them cannot be made, or does not answer the host itself."""
    with ExitStack() as stack:
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        name, path = f"codex-runner-drill-{secrets.token_hex(8)}", str(home / "lure.sock")
        for family, address in (
            (socket.AF_INET, tcp.getsockname()),
            (socket.AF_UNIX, f"\0{name}"),
            (socket.AF_UNIX, path),
        ):
            if family == socket.AF_UNIX:
                listener = stack.enter_context(socket.socket(family))
                listener.bind(address)
                listener.listen()
            with socket.socket(family) as probe:
                probe.connect(address)
        Path(path).chmod(0o666)
        yield Lure(tcp.getsockname()[1], name, path)
