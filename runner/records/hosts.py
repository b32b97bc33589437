"""Names of hosts a setup phase may reach, in the one form policies and reports write them.

`packages.example.com` is https on port 443; `*.files.example.com:8443` any one label in its place;
`http://mirror.example:8080` unencrypted. Addresses are no names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["https", "http"]
MAX_NAME = 253
_DEFAULT = {"https": 443, "http": 80}
_TEXT = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<name>[*A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?=[a-z]){_LABEL}")
"""The last label begins with a letter: `127.1`, `0x7f.1` and `2130706433` are addresses."""
_WILD = re.compile(rf"\*\.(?:{_LABEL}\.)+(?=[a-z]){_LABEL}")


@dataclass(frozen=True, slots=True)
class Host:
    """One host and port; the name is lower-case, its first label may be `*`."""

    scheme: Scheme
    name: str
    port: int

    def __str__(self) -> str:
        scheme = "" if self.scheme == "https" else "http://"
        port = "" if self.port == _DEFAULT[self.scheme] else f":{self.port}"
        return f"{scheme}{self.name}{port}"

    def covers(self, other: Host) -> bool:
        """Whether whoever allows this one allows `other`: `*` stands for exactly one label."""
        if (self.scheme, self.port) != (other.scheme, other.port):
            return False
        above = other.name.partition(".")[2]
        wild = self.name.startswith("*.") and not other.name.startswith("*")
        return self.name == other.name or (wild and self.name[2:] == above)


def parse_host(text: str) -> Host:
    """Raises ValueError saying why it is none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("is not a host name")
    scheme: Scheme = "http" if found["scheme"] == "http" else "https"
    return make_host(scheme, found["name"], int(found["port"] or _DEFAULT[scheme]), wild=True)


def make_host(scheme: Scheme, name: str, port: int, *, wild: bool = False) -> Host:
    """Raises ValueError: not a name of this form (an address, say), or no port."""
    name = name.lower()
    good = _NAME.fullmatch(name) or (wild and _WILD.fullmatch(name))
    if not good or len(name) > MAX_NAME:
        raise ValueError("is not a host name")
    if not 0 < port < 65536:
        raise ValueError("has no such port")
    return Host(scheme, name, port)


def common(asked: Iterable[Host], allowed: Iterable[Host]) -> tuple[Host, ...]:
    """What both let through, in the order of `asked`."""
    bounds = tuple(allowed)
    found: dict[Host, None] = {}
    for host in asked:
        if any(bound.covers(host) for bound in bounds):
            found[host] = None
        else:
            found.update(dict.fromkeys(bound for bound in bounds if host.covers(bound)))
    return tuple(found)
