"""A request that may be sent, and the most input tokens it can be."""

from __future__ import annotations

from dataclasses import dataclass

FRAME_TOKENS = 64
"""What a provider adds around a request that is not in its bytes."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request in canonical form, not yet given its output cap.

    Items and `head` are JSON; a token is at least one byte, so their lengths bound the input.
    """

    head: bytes
    """Everything but `input`, without its closing brace."""
    items: tuple[bytes, ...]
    ceilings: tuple[int, ...]
    """The most input tokens each item can be."""
    outputs: tuple[tuple[str, str], ...] = ()
    """Id of a call and what codex sent back, oldest first."""

    def ceiling(self, known: int = 0) -> int:
        """The most input tokens of all items but the first `known`."""
        return len(self.head) + FRAME_TOKENS + sum(self.ceilings[known:])

    def body(self, max_output_tokens: int) -> bytes:
        """The bytes for upstream."""
        items = b",".join(self.items)
        return b'%s,"max_output_tokens":%d,"input":[%s]}' % (self.head, max_output_tokens, items)
