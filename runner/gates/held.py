"""Literal search for the runner's own credentials, however they are written down.

Text and credential are reduced to lower-case letters and digits before they are compared. One
reduction covers split literals, interleaving, wrapped lines, zero-width characters, UTF-16 and
UTF-32, and the punctuation of every escape syntax.
"""

from __future__ import annotations

import base64
import codecs
import string
from collections.abc import Callable, Iterable

MIN_BYTES = 8
"""A shorter one is no credential; it would be found everywhere."""

_ALNUM = (string.ascii_letters + string.digits).encode()
_OTHER = bytes(set(range(256)) - set(_ALNUM))
_LOWER = bytes(range(256)).lower()


class Held:
    """All spellings of some credentials."""

    def __init__(self, credentials: Iterable[bytes]) -> None:
        self._exact: list[bytes] = []
        self._reduced: dict[bytes, str] = {}
        for credential in credentials:
            if len(credential) >= MIN_BYTES:
                self._exact += [credential, credential.decode("latin-1").encode("cp500", "replace")]
                self._add(credential)

    def find(self, data: bytes) -> str | None:
        """How a credential is written in `data`, e.g. `as base64`; None = not at all."""
        if any(credential in data for credential in self._exact):
            return "as it is"
        reduced = _reduce(data)
        return next((how for text, how in self._reduced.items() if text in reduced), None)

    def _add(self, credential: bytes) -> None:
        spellings = (
            ("with other characters in between", credential),
            ("reversed", credential[::-1]),
            ("as rot13", codecs.encode(credential.decode("latin-1"), "rot13").encode("latin-1")),
            ("as hex", credential.hex().encode()),
            ("as hex escapes", b"".join(b"x%02x" % byte for byte in credential)),
            ("as unicode escapes", b"".join(b"u00%02x" % byte for byte in credential)),
            ("as character codes", b"".join(b"%d" % byte for byte in credential)),
            *(("as base64", part) for part in _aligned(credential, 3, base64.b64encode)),
            *(("as base64", part) for part in _aligned(credential, 3, base64.urlsafe_b64encode)),
            *(("as base32", part) for part in _aligned(credential, 5, base64.b32encode)),
        )
        for how, spelling in spellings:
            reduced = _reduce(spelling)
            if len(reduced) >= MIN_BYTES:
                self._reduced.setdefault(reduced, how)


def _reduce(data: bytes) -> bytes:
    return data.translate(_LOWER, _OTHER)


def _aligned(credential: bytes, group: int, encode: Callable[[bytes], bytes]) -> Iterable[bytes]:
    """What of its encoding does not depend on its neighbours, for every offset in a group."""
    for skip in range(group):
        body = credential[skip:]
        yield encode(body[: len(body) - len(body) % group])
