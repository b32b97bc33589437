"""What a client asks for, rebuilt from an allow-list: nothing of its bytes is forwarded as such."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from runner.broker.ask import Ask
from runner.broker.refusal import RefusalError
from runner.broker.rules import Rules
from runner.broker.strict_json import parse
from runner.broker.wire import REQUEST, Request

KEYS = frozenset(Request.__annotations__)
DROPPED = frozenset({"client_metadata"})
"""Codex's own telemetry: paths, remote addresses and commits of the workspace."""
OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
IMAGE_TOKENS = 10_000
"""More than any model bills for one picture."""


def rebuild(body: bytes, rules: Rules) -> Ask:
    """Steps: 1 strict JSON, 2 known keys, 3 known shapes, 4 forced values, 5 canonical bytes,
    6 no credential in them.

    Raises:
        RefusalError: with the place of the first thing that may not pass, never its value.
    """
    asked = parse(body)
    if not isinstance(asked, dict):
        raise RefusalError("request-invalid", "the request is not a JSON object")
    unknown = asked.keys() - DROPPED - KEYS
    if unknown:
        name = ascii(min(unknown))[:64]
        raise RefusalError("request-key", f"the request key {name} is not allowed")
    if asked.get("model") != rules.model:
        raise RefusalError("request-model", f"this session may use {rules.model} only")
    try:
        known: dict[str, Any] = dict(REQUEST.validate_python(asked, strict=True))
    except ValidationError as error:
        raise _misfit(error) from None
    items = known.pop("input")
    known |= {"model": rules.deployment, "stream": True, "store": False}
    for item in items:
        if item["type"] == "reasoning" and not item.get("encrypted_content"):
            item.pop("id", None)  # without content an id would name somebody's stored object
    try:
        written = tuple(map(_json, items))
        ceilings = tuple(map(_ceiling, items, written))
        ask = Ask(_json(known)[:-1], written, ceilings, tuple(_outputs(items)))
    except ValueError:  # a lone surrogate, a number that became infinite
        raise RefusalError("json-invalid", "the request has a value JSON cannot carry") from None
    _clean(ask, rules.held)
    return ask


def _outputs(items: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for item in items:
        if item["type"] in OUTPUTS:
            output = item["output"]
            texts = [output] if isinstance(output, str) else [p.get("text", "") for p in output]
            yield item["call_id"], "\n".join(texts)


def _clean(ask: Ask, held: tuple[bytes, ...]) -> None:
    """In the one spelling that JSON has here."""
    spelled = [_json(secret.decode("latin-1"))[1:-1] for secret in held]
    if any(secret in part for part in (ask.head, *ask.items) for secret in spelled):
        fault = "a credential of the runner is in the sandbox; it was not sent on"
        raise RefusalError("credential", "the request holds a credential", fault=fault)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _ceiling(item: dict[str, Any], written: bytes) -> int:
    """Pictures are billed by their size in pixels, all else by its text."""
    parts = [
        p for key in ("content", "output") if isinstance(item.get(key), list) for p in item[key]
    ]
    pictures = [len(part["image_url"]) for part in parts if part["type"] == "input_image"]
    return len(written) - sum(pictures) + IMAGE_TOKENS * len(pictures)


def _misfit(error: ValidationError) -> RefusalError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ascii(".".join(map(str, first["loc"])))[1:-1][:200]
    return RefusalError("request-shape", f"the request does not fit at {where}: {first['type']}")
