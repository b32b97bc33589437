"""Credentials taken out of bytes on their way."""

from __future__ import annotations

REDACTED = b"[redacted]"


class Redactor:
    """Removes exact byte strings, also where chunks divide them.

    The longest first: one that begins another must not take its beginning away from it.
    """

    def __init__(self, held: tuple[bytes, ...], mark: bytes = REDACTED) -> None:
        self._each = [_One(secret, mark) for secret in sorted(held, key=len, reverse=True)]

    def feed(self, chunk: bytes) -> bytes:
        """What may pass on; the beginning of a possible secret at the end is held back."""
        for one in self._each:
            chunk = one.feed(chunk)
        return chunk

    def close(self) -> bytes:
        """The rest."""
        rest = b""
        for one in self._each:
            rest = one.feed(rest) + one.close()
        return rest


class _One:
    """Of one secret."""

    def __init__(self, secret: bytes, mark: bytes) -> None:
        self._secret, self._mark = secret, mark
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        data = (self._held + chunk).replace(self._secret, self._mark)
        keep = self._beginning(data[-len(self._secret) + 1 :])
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]

    def close(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _beginning(self, tail: bytes) -> int:
        """Length of the longest end of `tail` that begins the secret."""
        at = tail.find(self._secret[:1])
        while at >= 0:
            if self._secret.startswith(tail[at:]):
                return len(tail) - at
            at = tail.find(self._secret[:1], at + 1)
        return 0
