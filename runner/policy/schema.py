"""JSON Schema of the files that make a policy: for editors, which want keys, types and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from runner.policy.examples_schema import EXAMPLES_SCHEMA
from runner.policy.operator_files import KEYS
from runner.policy.readers import EXAMPLES, OWNERS, PIN, UNPIN, leaves_of
from runner.policy.rules_schema import RULES
from runner.policy.settings import Settings
from runner.policy.task_file import KEYS as TASK_KEYS
from runner.records.merge import LayerName
from runner.records.policy import Policy, fields

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Json = dict[str, Any]
_STRINGS: Json = {"type": "array", "items": {"type": "string"}, "maxItems": 100}
_DOLLARS: Json = {
    "type": ["string", "integer"],
    "pattern": r"^[0-9]{1,6}(\.[0-9]{1,6})?$",
    "description": 'dollars, e.g. "1.25"',
}
_WRITTEN: Mapping[str, Json] = {
    "paths": _STRINGS,
    "review.instructions": {"type": "string"},
    "static.analysers": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"command": {"type": "string"}, "paths": _STRINGS},
            "required": ["command", "paths"],
            "additionalProperties": False,
        },
    },
    "rules": RULES,
    "guardrails": {"type": ["object", "string"]},
    "classes": {"type": "object"},
}
"""Keys that are written otherwise than they are kept."""


def schema(layer: LayerName) -> Json:
    """Of one kind of file: `organisation`, `user`, `repository`, `task` (its front matter)."""
    tops: Json = {}
    for key, leaf in leaves_of(layer).items():
        head, _, tail = key.partition(".")
        written = _written(key, leaf.name, layer)
        if tail:
            table = tops.setdefault(head, _table())
            table["properties"][tail] = written
        else:
            tops[head] = written
    for head, keys in _others(layer).items():
        if not keys:
            tops[head] = _setting(head)
        else:
            table = tops.setdefault(head, _table())
            table["properties"] |= {key: {} for key in keys}
    if layer in OWNERS:
        tops[EXAMPLES] = EXAMPLES_SCHEMA
    return {
        "$schema": DIALECT,
        "title": f"codex-runner: a file of the layer {layer}",
        **_table(),
        "properties": tops,
    }


def _others(layer: LayerName) -> Mapping[str, Any]:
    """Keys that are no policy, as `read_layer` is told them."""
    match layer:
        case "task":
            return dict.fromkeys(TASK_KEYS, ())
        case "user":
            return KEYS
        case "organisation":
            return {**KEYS, PIN: (), UNPIN: ()}
    return {}


def _table() -> Json:
    return {"type": "object", "properties": {}, "additionalProperties": False}


def _written(key: str, name: str, layer: LayerName) -> Json:
    if key in _WRITTEN:
        return _WRITTEN[key]
    if name.endswith("_usd_micros"):
        return _DOLLARS
    if key == "test":
        return {"type": "string"} if layer in ("organisation", "user") else _waivable()
    return _kept(name)


def _waivable() -> Json:
    return {"anyOf": [{"type": "string"}, {"const": False}]}


def _kept(name: str) -> Json:
    """As the record has it, with its range; TOML has no null."""
    head, _, tail = name.partition(".")
    record: Any = Policy
    if tail:
        record = Policy.model_fields[head].annotation
    info = record.model_fields[tail or head]
    found: Json = TypeAdapter(fields()[name].kind).json_schema()
    choices = [each for each in found.pop("anyOf", []) if each.get("type") != "null"]
    found |= choices[0] if choices else {}
    for limit in info.metadata:
        for word, spelled in (("ge", "minimum"), ("le", "maximum")):
            if hasattr(limit, word):
                found[spelled] = getattr(limit, word)
    return found


def _setting(key: str) -> Json:
    if key in (PIN, UNPIN) or key in ("labels", "may_change_tests"):
        return _STRINGS
    if key in ("prices", "provider"):
        return {"type": "object"}
    info = Settings.model_fields.get(key)
    kind: Any = str if info is None else info.annotation
    found: Json = TypeAdapter(kind).json_schema()
    return {"type": "string", **({"enum": found["enum"]} if "enum" in found else {})}
