"""What a form carries so that only who was shown it can send it, and only once."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

LASTS_S = 900
"""From the moment a form was shown."""
MOST_USED = 4096
"""Kept until they expire; with more nothing is taken."""


def _key() -> bytes:
    return secrets.token_bytes(32)


@dataclass
class Nonces:
    """`Nonces().issue("ap_...", digest, "user:ada")`. Belongs to one event loop."""

    now: Callable[[], float] = monotonic
    _key: bytes = field(default_factory=_key, repr=False)
    """Of this process: a form does not outlive it."""
    _used: dict[str, int] = field(default_factory=dict)
    """Nonce without its signature -> when it expires."""

    def issue(self, *bound: str) -> str:
        """Good for exactly these words."""
        return self._signed(f"{int(self.now()) + LASTS_S}.{secrets.token_hex(16)}", bound)

    def take(self, nonce: str, *bound: str) -> bool:
        """Whether it was issued for these words, lately, and was never taken; now it is."""
        head = nonce.rpartition(".")[0]
        if not hmac.compare_digest(nonce.encode(), self._signed(head, bound).encode()):
            return False
        now, until = self.now(), int(head.partition(".")[0])
        self._used = {used: end for used, end in self._used.items() if end > now}
        if until <= now or head in self._used or len(self._used) >= MOST_USED:
            return False
        self._used[head] = until
        return True

    def _signed(self, head: str, bound: tuple[str, ...]) -> str:
        said = json.dumps([head, *bound]).encode()
        return f"{head}.{hmac.digest(self._key, said, 'sha256').hex()}"
