"""What a scripted model is told to do, and what it heard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Object = dict[str, object]


@dataclass(frozen=True, slots=True)
class Shell:
    """The model runs a command."""

    command: str


@dataclass(frozen=True, slots=True)
class Patch:
    """The model edits files, in codex's patch format."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The model calls any tool: `Call("write_stdin", '{"session_id": 1}')`."""

    name: str
    arguments: str
    custom: bool = False
    """It takes a text, not JSON."""


@dataclass(frozen=True, slots=True)
class Say:
    """The model says its last word and ends the turn."""

    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """Upstream answers with an HTTP error."""

    code: int
    message: str = "scripted"


@dataclass(frozen=True, slots=True)
class Cut:
    """Upstream closes the stream in the middle."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Upstream accepts the request and stays silent: before its headers, or in its stream."""

    where: Literal["headers", "stream"] = "stream"


Step = Shell | Patch | Call | Say | Status | Cut | Stall


@dataclass(frozen=True, slots=True)
class Tokens:
    """Usage that upstream reports for one response."""

    input: int = 100
    cached: int = 40
    output: int = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    """Lower-case names."""
    body: Object

    @property
    def reviews(self) -> bool:
        """It asks for JSON by a schema: it is a reviewer's."""
        text = self.body.get("text")
        return isinstance(text, dict) and bool(text.get("format"))

    def outputs(self) -> tuple[str, ...]:
        """What the author's tools answered so far, first one first."""
        entries = self.body.get("input")
        return tuple(
            _text(entry.get("output"))
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict) and str(entry.get("type")).endswith("_call_output")
        )


def _text(output: object) -> str:
    if isinstance(output, list):
        return "\n".join(str(part.get("text")) for part in output if isinstance(part, dict))
    return str(output)
