"""The tool calls of one session, as they pass: what the model asks for, what codex sends back.

Not told by anybody inside the sandbox: a call that was answered and that no gate allowed has run
behind the gate's back. Of arguments and outputs only digests and a few words are kept.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from runner.records.base import Sha256
from runner.records.usage import ToolCall

MOST_CALLS = 10_000
"""More than any budget allows."""
MOST_STRAYS = 100
"""One is enough to refuse a run."""
ANSWER_CHARS = 200
NAME_CHARS = 256
INTERRUPT = "\x03"
"""Codex makes a signal of it, also where stdin is closed."""
ANOTHER = "two answers were sent that differ"
MISSED = "more calls, or longer ones, than can be followed"
_CODE = {"exec_command": ("Bash", "cmd"), "write_stdin": ("write_stdin", "chars")}
"""Function -> the gate's name for it, and the argument that is what it does."""


@dataclass(slots=True)
class Calls:
    """Written by the serving thread, read by any."""

    unread: int = 0
    """Events of upstream that were too long to read: there may have been calls in them."""
    _known: list[ToolCall] = field(default_factory=list)
    _strays: dict[str, str] = field(default_factory=dict)
    """Id -> answer to a call that was not seen to be asked for: upstream's stream was read in
    another way than codex reads it."""
    _waiting: dict[str, list[int]] = field(default_factory=dict)
    """Id -> places in `_known`: an id may come twice."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, item: Mapping[str, object]) -> None:
        """The model asks for this."""
        tool, code = _read(item)
        call = ToolCall(
            id=_word(item, "call_id"),
            tool=tool,
            code_sha256=_sha256(code),
            inert=tool == "write_stdin" and not code.strip(INTERRUPT),
        )
        with self._lock:
            if len(self._known) < MOST_CALLS:
                self._waiting.setdefault(call.id, []).append(len(self._known))
                self._known.append(call)
            else:
                self.unread += 1

    def answer(self, outputs: Iterable[tuple[str, str]]) -> None:
        """What a request brings back: all there ever was, each time. Of an id that came twice, the
        first output is the first one's."""
        seen: dict[str, int] = {}
        with self._lock:
            for identity, output in outputs:
                places, turn = self._waiting.get(identity, []), seen.get(identity, 0)
                seen[identity] = turn + 1
                if turn < len(places):
                    self._known[places[turn]] = _answered(self._known[places[turn]], output)
                else:
                    self._stray(identity, output)

    def told(self) -> tuple[ToolCall, ...]:
        """All of them; without a tool those that only were answered, and one for those missed."""
        nothing = _sha256("")
        with self._lock:
            told = dict(self._strays) | ({"": MISSED} if self.unread else {})
            return (
                *self._known,
                *(ToolCall(id=i, tool="", code_sha256=nothing, answer=a) for i, a in told.items()),
            )

    def _stray(self, identity: str, output: str) -> None:
        if len(self._strays) < MOST_STRAYS:
            self._strays.setdefault(identity[:NAME_CHARS], output[:ANSWER_CHARS])


def _answered(call: ToolCall, output: str) -> ToolCall:
    """Codex sends the same each time; whatever sends another is believed in nothing."""
    sha256 = _sha256(output)
    if call.answer is None:
        return call.model_copy(update={"answer": output[:ANSWER_CHARS], "output_sha256": sha256})
    return call if call.output_sha256 == sha256 else call.model_copy(update={"answer": ANOTHER})


def _read(item: Mapping[str, object]) -> tuple[str, str]:
    """The gate's name of the tool, and what it is to do."""
    name = "__".join(filter(None, (_word(item, "namespace"), _word(item, "name"))))
    if item.get("type") == "custom_tool_call":
        return name, _word(item, "input", None)
    text = _word(item, "arguments", None)
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return name or str(item.get("type")), text
    tool, argument = _CODE.get(name, (name, ""))
    if argument and isinstance(given, dict):
        code = given.get(argument) or ""
        return tool, code if isinstance(code, str) else text
    return tool or str(item.get("type")), json.dumps(given, sort_keys=True, separators=(",", ":"))


def _word(item: Mapping[str, object], name: str, most: int | None = NAME_CHARS) -> str:
    value = item.get(name)
    return value[:most] if isinstance(value, str) else ""


def _sha256(text: str) -> Sha256:
    return Sha256(hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())
