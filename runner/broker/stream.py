"""The bytes of a response on their way: the key removed, usage and last message read beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from runner.broker.spent import Spent

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""A longer event passes unread."""
MESSAGE_BYTES = 64 * 1024
MODEL_CHARS = 200
_ITEM_DONE = "response.output_item.done"
_ENDS = ("response.completed", "response.incomplete", "response.failed")
CALLS = frozenset(
    {"function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call"}
)
"""Items that ask the client to run something."""
_TELLING = tuple(f'"{kind}"'.encode() for kind in (_ITEM_DONE, *_ENDS))
"""Looked for in whole chunks: nearly all events are passed on without a look at them."""


class Tap:
    """Reads server-sent events out of chunks; never holds more than one event."""

    def __init__(self, on_call: Callable[[Mapping[str, object]], None] = lambda _: None) -> None:
        self._on_call = on_call
        self.ended: str | None = None
        """`response.completed`, `.incomplete` or `.failed`; None = the stream did not say."""
        self.spent: Spent | None = None
        self.message: str | None = None
        """The last assistant message, whole; None = there was none."""
        self.served = ""
        """The model that answered, as upstream calls it; empty = it did not say."""
        self.calls = 0
        """Tools the response asked the client to run."""
        self.unread = 0
        """Events that were too long to read."""
        self._line = bytearray()
        self._overlong = False

    def feed(self, chunk: bytes) -> None:
        """Whole lines are read, the beginning of the next is kept until its end comes."""
        lines, newline, rest = chunk.rpartition(b"\n")
        if newline:
            self._lines(lines)
        if self._overlong or len(self._line) + len(rest) > MAX_EVENT_BYTES:
            self._line.clear()
            self._overlong = True
        else:
            self._line += rest

    def _lines(self, lines: bytes) -> None:
        if self._overlong:
            self.unread += 1
            lines = lines.partition(b"\n")[2]
        if self._line:
            lines = bytes(self._line) + lines
        self._line.clear()
        self._overlong = False
        if any(kind in lines for kind in _TELLING):
            for line in lines.split(b"\n"):
                self._read(line)

    def _read(self, line: bytes) -> None:
        if not line.startswith(b"data:") or not any(kind in line for kind in _TELLING):
            return
        try:
            event = json.loads(line[5:])
        except (ValueError, RecursionError):
            return
        if not isinstance(event, dict):
            return
        kind = event.get("type")
        if kind == _ITEM_DONE:
            self._hear(event.get("item"))
        elif kind in _ENDS:
            self.ended = kind
            response = event.get("response")
            if isinstance(response, dict):
                self.spent = _spent(response.get("usage"))
                model = response.get("model")
                self.served = model[:MODEL_CHARS] if isinstance(model, str) else ""

    def _hear(self, item: object) -> None:
        kind = item.get("type") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(kind, str) and kind in CALLS:
            self.calls += 1
            self._on_call(item)
        if not isinstance(item, dict) or kind != "message":
            return
        parts = item.get("content")
        texts = [_text(part) for part in parts] if isinstance(parts, list) else []
        whole = "".join(texts).encode(errors="replace")[:MESSAGE_BYTES]
        self.message = whole.decode(errors="ignore")


def _text(part: object) -> str:
    text = part.get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def _spent(usage: object) -> Spent | None:
    """None = absent or nonsense."""
    if not isinstance(usage, dict):
        return None
    details: Any = usage.get("input_tokens_details")
    cached = details.get("cached_tokens", 0) if isinstance(details, dict) else 0
    counts = [usage.get("input_tokens"), cached, usage.get("output_tokens")]
    good = [count for count in counts if type(count) is int and count >= 0]
    return Spent(*good) if len(good) == len(counts) else None
