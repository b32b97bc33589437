"""JSON Schema of `[[examples]]`, as they are written."""

from __future__ import annotations

from typing import Any

from runner.policy.examples import GATES, MAX_TITLE, SUBJECTS, VERDICTS
from runner.records.level import HIGHEST
from runner.records.rules import STRICTNESS

_STRING = {"type": "string", "minLength": 1}


def _table(*required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


def _expecting(subject: str, expect: dict[str, Any]) -> dict[str, Any]:
    """Of the subjects this one alone, or none."""
    others = [{"required": [key]} for key in SUBJECTS if key != subject]
    required = {"required": [subject]} if subject else {}
    return {**required, "not": {"anyOf": others}, "properties": {"expect": expect}}


_CHANGE = _table(
    verdict={"enum": [*VERDICTS]},
    gate={"enum": [*GATES]},
    code=_STRING,
    level={"type": "integer", "minimum": 0, "maximum": HIGHEST},
)
_CHANGE["minProperties"] = 1
_EDIT = _table("path", path=_STRING, before={"type": "string"}, after={"type": "string"})
_LIKE = {
    name: {"type": "object", "description": f"what a {name} asks for, in the words of its file"}
    for name in ("user", "repository", "task")
}
_EXAMPLE = _table(
    "name",
    "expect",
    name={**_STRING, "maxLength": MAX_TITLE},
    command={"type": ["string", "array"], "items": _STRING, "minItems": 1, "minLength": 1},
    diff={"type": "array", "items": _EDIT, "minItems": 1},
    patch={**_STRING, "description": "a file"},
    event={**_STRING, "description": "what started the run, as GITHUB_EVENT_NAME"},
    expect={},
    **_LIKE,
)
_EXAMPLE["oneOf"] = [
    _expecting("command", {"enum": [*STRICTNESS]}),
    _expecting("diff", _CHANGE),
    _expecting("patch", _CHANGE),
    _expecting("", {"type": "object", "minProperties": 1, "description": "fields of the policy"}),
]
EXAMPLES_SCHEMA: dict[str, Any] = {"type": "array", "items": _EXAMPLE}
