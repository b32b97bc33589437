"""The JSON lines of `codex exec --json`, read as if an enemy had written them.

Anybody inside the sandbox may write to codex's stdout, so nothing here decides anything: lines are
bounded, text is escaped, and what cannot be read is counted.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator
from typing import Literal, cast

from runner.records.agent import AgentEvent, EventKind
from runner.records.base import Sha256
from runner.text import visible

LINE_BYTES = 2 * 1024 * 1024
"""Codex caps a command's output, the longest thing it prints, at 1 MiB."""
TEXT_BYTES = 4096
ID_BYTES = 64

Phase = Literal["started", "updated", "completed"]
Object = dict[str, object]

MALFORMED = AgentEvent(kind="malformed", phase="completed")

_PLAIN: dict[str, tuple[EventKind, Phase]] = {
    "thread.started": ("thread", "started"),
    "turn.started": ("turn", "started"),
    "turn.completed": ("turn", "completed"),
    "turn.failed": ("failed", "completed"),
    "error": ("error", "completed"),
}
_ITEMS: dict[str, EventKind] = {
    "agent_message": "message",
    "reasoning": "reasoning",
    "command_execution": "command",
    "file_change": "file_change",
    "mcp_tool_call": "tool",
    "collab_tool_call": "tool",
    "web_search": "search",
    "todo_list": "plan",
    "error": "error",
}
_TEXT_KEYS = ("command", "text", "message", "query", "tool")
"""Where an item keeps what a person wants to read, most telling first."""


class EventParser:
    """Chunks in, events out; memory bounded by one line."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._overlong = False

    def feed(self, chunk: bytes) -> Iterator[AgentEvent]:
        """The events completed by `chunk`."""
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._take(end)
            yield from self._flush()
        self._take(rest)

    def close(self) -> Iterator[AgentEvent]:
        """The event of a last line without an end, if there is one."""
        yield from self._flush()

    def _take(self, part: bytes) -> None:
        if self._overlong or len(self._line) + len(part) > LINE_BYTES:
            self._overlong = True
            self._line.clear()
        else:
            self._line += part

    def _flush(self) -> Iterator[AgentEvent]:
        line, overlong = bytes(self._line), self._overlong
        self._line.clear()
        self._overlong = False
        if overlong:
            yield MALFORMED
        elif line.strip():
            yield read_event(line)


def read_event(line: bytes) -> AgentEvent:
    """One line as an event; `malformed` when it is not a JSON object."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # ValueError: bad JSON, bad UTF-8, endless number
        return MALFORMED
    if not isinstance(value, dict):
        return MALFORMED
    told = cast(Object, value)
    kind = str(told.get("type"))[:64]
    if kind in _PLAIN:
        name, phase = _PLAIN[kind]
        return AgentEvent(kind=name, phase=phase, text=clean(_plain_text(told)))
    stem, _, last = kind.partition(".")
    item = told.get("item")
    if stem == "item" and last in {"started", "updated", "completed"} and isinstance(item, dict):
        return _item(cast(Object, item), cast(Phase, last))
    return AgentEvent(kind="unknown", phase="completed", text=clean(kind))


def clean(text: str, limit_bytes: int = TEXT_BYTES) -> str:
    r"""One printable line: control, bidi and foreign characters as `\x1b`, `\u202e`; capped."""
    shown = visible(text[:limit_bytes]).replace("\n", r"\n")
    return shown.encode()[:limit_bytes].decode(errors="ignore")


def _plain_text(told: Object) -> str:
    error = told.get("error")
    if isinstance(error, dict):
        return _reason(_text(error.get("message")))
    return _reason(_text(told.get("message"))) or _text(told.get("thread_id"))


def _reason(text: str) -> str:
    """Upstream's own words when codex repeats the body of its answer, else `text`."""
    start = text.find("{")
    try:
        error = json.loads(text[start:])["error"] if start >= 0 else {}
    except (ValueError, RecursionError, KeyError, TypeError):
        return text
    return _text(error.get("message")) or text if isinstance(error, dict) else text


def _item(item: Object, phase: Phase) -> AgentEvent:
    name = str(item.get("type"))[:64]
    kind = _ITEMS.get(name, "unknown")
    text = name if kind == "unknown" else next(filter(None, map(_text, _values(item))), "")
    code = item.get("exit_code")
    known = type(code) is int and -(2**31) <= code < 2**31  # bool is an int as well
    return AgentEvent(
        kind=kind,
        phase=phase,
        item=clean(_text(item.get("id")), ID_BYTES),
        text=clean(text),
        exit_code=cast(int, code) if known else None,
        code_sha256=_code(_text(item.get("command"))) if kind == "command" else None,
    )


def _code(command: str) -> Sha256:
    """Codex tells `/bin/sh -c 'make all'`, quoted; what was asked for is `make all`."""
    try:
        shell = shlex.split(command)
    except ValueError:
        shell = []
    code = shell[2] if len(shell) == 3 and shell[1] in {"-c", "-lc"} else command
    return Sha256(hashlib.sha256(code.encode(errors="surrogatepass")).hexdigest())


def _values(item: Object) -> Iterator[object]:
    yield from (item.get(key) for key in _TEXT_KEYS)
    for many, key in (("changes", "path"), ("items", "text")):
        entries = item.get(many)
        if isinstance(entries, list):
            yield ", ".join(_text(e.get(key)) for e in entries[:100] if isinstance(e, dict))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
