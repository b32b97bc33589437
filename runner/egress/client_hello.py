"""The server name in a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3): who a tunnel is really for."""

from __future__ import annotations

HANDSHAKE, CLIENT_HELLO, SERVER_NAME, HOST_NAME = 22, 1, 0, 0
RECORD_HEAD = 5
MAX_RECORD = 16384 + 256
MAX_BYTES = 64 * 1024
"""Of a whole hello; post-quantum key shares make it a few kilobytes."""


class NotTlsError(ValueError):
    """Why these bytes are not the start of TLS."""


def server_name(data: bytes) -> str | None:
    """The one name asked for, lower-case; None = more bytes are needed.

    Raises:
        NotTlsError: no ClientHello, no name, or two.
    """
    message = _message(data)
    if message is None:
        return None
    try:
        return _name(message)
    except IndexError as error:
        raise NotTlsError("a broken ClientHello") from error


def _message(data: bytes) -> bytes | None:
    """The first handshake message, out of as many records as it is spread over."""
    body = b""
    while data:
        if data[0] != HANDSHAKE or (len(data) > 1 and data[1] != 3):
            raise NotTlsError("the tunnel does not begin with TLS")
        if len(data) < RECORD_HEAD:
            return None
        size = int.from_bytes(data[3:5])
        if not 0 < size <= MAX_RECORD:
            raise NotTlsError("a broken TLS record")
        body += data[RECORD_HEAD : RECORD_HEAD + size]
        data = data[RECORD_HEAD + size :]
        if body and body[0] != CLIENT_HELLO:
            raise NotTlsError("the tunnel does not begin with a ClientHello")
        if len(body) >= 4:
            whole = 4 + int.from_bytes(body[1:4])
            if whole > MAX_BYTES:
                raise NotTlsError("a ClientHello that is too long")
            if len(body) >= whole:
                return body[4:whole]
    return None


class _Reader:
    """Length-prefixed fields; reading past the end raises IndexError."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        if count > len(self.data):
            raise IndexError
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def sized(self, width: int) -> bytes:
        return self.take(int.from_bytes(self.take(width)))


def _name(message: bytes) -> str:
    hello = _Reader(message)
    hello.take(2 + 32)  # version, random
    hello.sized(1)  # session id
    hello.sized(2)  # cipher suites
    hello.sized(1)  # compression methods
    extensions = _Reader(hello.sized(2))
    names: list[bytes] = []
    while extensions.data:
        kind, content = int.from_bytes(extensions.take(2)), extensions.sized(2)
        if kind == SERVER_NAME:
            entries = _Reader(_Reader(content).sized(2))
            while entries.data:
                sort, name = entries.take(1)[0], entries.sized(2)
                if sort == HOST_NAME:
                    names.append(name)
    if len(names) != 1:
        raise NotTlsError(f"its ClientHello has {len(names)} server names instead of one")
    return names[0].decode(errors="replace").lower()
