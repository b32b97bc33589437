"""JSON Schema of `[[rules]]`, as they are written."""

from __future__ import annotations

from typing import Any

from runner.policy.rules_read import MAX_LENGTH, MAX_RULES, MAX_WORD
from runner.records.rules import STRICTNESS

_WORD = {"type": "string", "minLength": 1, "maxLength": MAX_WORD}
_WORDS = {"type": "array", "items": _WORD, "minItems": 1, "maxItems": MAX_LENGTH}


def _only(key: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key: schema},
        "required": [key],
        "additionalProperties": False,
    }


_EXAMPLE = {"type": ["string", "array"], "items": {"type": "string"}, "minItems": 1}
_EXAMPLES = {"type": "array", "items": _EXAMPLE, "maxItems": MAX_LENGTH}
_PLACE = {"anyOf": [_WORD, _WORDS, _only("token", _WORD), _only("any_of", _WORDS)]}
_RULE = {
    "type": "object",
    "properties": {
        "pattern": {"type": "array", "items": _PLACE, "minItems": 1, "maxItems": MAX_LENGTH},
        "decision": {"enum": list(STRICTNESS)},
        "justification": {"type": "string", "minLength": 1, "maxLength": 500},
        "match": _EXAMPLES,
        "not_match": _EXAMPLES,
    },
    "required": ["pattern", "decision"],
    "additionalProperties": False,
}
RULES: dict[str, Any] = {"type": "array", "items": _RULE, "maxItems": MAX_RULES}
