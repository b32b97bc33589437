"""What a client asks a proxy for, read strictly: one spelling, no second opinion possible."""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.records.hosts import Host, make_host

_NAME = rb"([A-Za-z0-9.-]{1,253})"
_PORT = rb"([1-9][0-9]{0,4})"
_CONNECT = re.compile(rb"CONNECT " + _NAME + rb":" + _PORT + rb" HTTP/1\.[01]")
_PLAIN = re.compile(
    rb"(GET|HEAD) http://" + _NAME + rb"(?::" + _PORT + rb")?(/[!\"$-~]*)? HTTP/1\.[01]"
)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~\t]*?)[ \t]*")
_BODY = frozenset({b"content-length", b"transfer-encoding", b"upgrade", b"expect", b"trailer"})
_HOP = frozenset({b"connection", b"keep-alive", b"te", b"host", b"proxy-connection"})


class MalformedError(ValueError):
    """Why a request is not one of ours. `host` is what it named, when that could be read."""

    def __init__(self, why: str, host: str = "-") -> None:
        super().__init__(why)
        self.host = host


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: a tunnel, or (scheme http) a document."""

    host: Host
    forward: bytes = b""
    """What the server is sent first: for a document its request, rebuilt."""

    @property
    def tunnel(self) -> bool:
        return self.host.scheme == "https"


def read_ask(head: bytes) -> Ask:
    """`head` ends with the empty line.

    1. The first line is CONNECT name:port, or GET or HEAD of http://name[:port]/path, and no more.
    2. Fields are `token: printable` on one line each; none announces a body.
    3. A Host field, at most one, names the same place. 4. Names are no addresses.

    Raises:
        MalformedError: one of these does not hold.
    """
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    tunnel, plain = _CONNECT.fullmatch(first), _PLAIN.fullmatch(first)
    fields = [_field(line) for line in rest]
    if tunnel:
        host = _host("https", tunnel[1], int(tunnel[2]))
        _check(fields, host, host.port == 443)
        return Ask(host)
    if plain:
        host = _host("http", plain[2], int(plain[3] or 80))
        _check(fields, host, host.port == 80)
        return Ask(host, _rebuilt(plain[1], plain[4] or b"/", host, fields))
    raise MalformedError("not a request this proxy knows")


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise MalformedError("a broken header field")
    return found[1].lower(), found[2]


def _host(scheme: str, name: bytes, port: int) -> Host:
    text = f"{name.decode()}:{port}"
    try:
        return make_host("https" if scheme == "https" else "http", name.decode(), port)
    except ValueError as error:
        raise MalformedError("an address, or no host name", text) from error


def _check(fields: list[tuple[bytes, bytes]], host: Host, default: bool) -> None:
    names = [name for name, _ in fields]
    if _BODY & set(names):
        raise MalformedError("a body, or another protocol, is announced", str(host))
    said = [value.lower().decode() for name, value in fields if name == b"host"]
    good = {f"{host.name}:{host.port}", *([host.name] if default else [])}
    if len(said) > 1 or not set(said) <= good:
        raise MalformedError("its Host field names another place", str(host))


def _rebuilt(method: bytes, path: bytes, host: Host, fields: list[tuple[bytes, bytes]]) -> bytes:
    port = "" if host.port == 80 else f":{host.port}"
    kept = [
        b"%s: %s" % (name, value)
        for name, value in fields
        if name not in _HOP and not name.startswith(b"proxy-")
    ]
    first = b"%s %s HTTP/1.1" % (method, path)
    where = b"host: " + f"{host.name}{port}".encode()
    return b"\r\n".join((first, where, *kept, b"connection: close", b"", b""))
