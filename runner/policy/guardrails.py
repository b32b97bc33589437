"""Declared guardrails: the published JSON, the same in TOML, or a `[guardrails]` table.

A configuration of the OpenAI guardrails library loads as it is. Besides, an entry may have
`required` and `action`, and some checks are this product's own (see `records.guardrail`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.files import read_bounded, shown
from runner.policy.text import decode_text
from runner.policy.toml import Table, parse_toml
from runner.records.guardrail import (
    FOUND_ENTITIES,
    KINDS,
    OTHER_ENTITIES,
    STAGES,
    Action,
    Check,
    Guardrail,
    Stage,
)

MAX_BYTES = 64 * 1024
MAX_CHECKS = 100
SHAPE = 'write {"version": 1, "input": {"version": 1, "guardrails": [{"name", "config"}]}}'
_BUNDLE = ("version", "guardrails", "config", "stage_name")
_ENTRY = ("name", "config", "action", "required")
_OWN = frozenset(Check.model_fields) | {"name"}
_RENAMED = {"threshold_percent": "confidence_threshold"}
_BY_NAME: Mapping[str, type[Check]] = {
    name: kind for kind in KINDS for name in get_args(kind.model_fields["name"].annotation)
}
Fail = Callable[[str, str, str], ConfigError]
"""Where in the document, e.g. `input.guardrails[0].name`; what is wrong; what to do."""


@cache
def _adapter() -> TypeAdapter[Guardrail]:
    return TypeAdapter(Guardrail)


def read_guardrails(table: Table, key: str) -> tuple[Guardrail, ...]:
    """Of one layer: a table of that shape, or the absolute path of a file."""
    value = table.values[key]
    if isinstance(value, str):
        path = table.string(key, names.absolute)
        assert path is not None
        return load_guardrails(path)
    return read_guardrails_table(table, key)


def read_guardrails_table(table: Table, key: str) -> tuple[Guardrail, ...]:
    """Where no file can be named."""

    def fail(place: str, why: str, remedy: str) -> ConfigError:
        return ConfigError(f"{table.where(key)}: {key}.{place}: {why}", remedy)

    return tuple(_pipeline(table.table(key).values, fail))


def load_guardrails(path: Path) -> tuple[Guardrail, ...]:
    """A `.toml` file, or else JSON.

    Raises:
        ConfigError: there is none, or it is wrong; names the file, the place in it, and the line
            where that is certain.
    """
    source = shown(path)
    data = read_bounded(path, MAX_BYTES, follow=True)
    if data is None:
        raise ConfigError(f"{source}: no such file", "name a guardrails configuration")
    text = decode_text(data, source)

    def fail(place: str, why: str, remedy: str) -> ConfigError:
        row = _row(text, place)
        line = f", line {row}" if row else ""
        return ConfigError(f"{source}{line}: {place}: {why}", remedy)

    values = parse_toml(text, source).values if path.suffix == ".toml" else _json(text, source)
    if isinstance(values, dict) and set(values) == {"guardrails"}:  # a policy's table in a file
        values = values["guardrails"]
    return tuple(_pipeline(values, fail))


def usual_guardrails(checks: Iterable[str]) -> tuple[Guardrail, ...]:
    """Each as it is without configuration.

    Raises ConfigError: no such check, or it needs configuration.
    """

    def fail(place: str, why: str, remedy: str) -> ConfigError:
        return ConfigError(f"{place}: {why}", f"{remedy}; or name a --config")

    return tuple(_entry("input", {"name": name}, name, None, fail) for name in checks)


def _json(text: str, source: str) -> object:
    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key is there twice")
        return found

    def refuse(word: str) -> object:
        raise ValueError(f"{word} is no number")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}, line {error.lineno}: not JSON: {error.msg}", SHAPE) from error
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{source}: not JSON: {error}", SHAPE) from error


def _pipeline(values: object, fail: Fail) -> Iterator[Guardrail]:
    top = _table(values, "(document)", fail)
    _closed(top, ("version", *STAGES), "", fail)
    _version(top, "", fail)
    if not any(stage in top for stage in STAGES):
        raise fail("(document)", f"declares no stage of {', '.join(STAGES)}", SHAPE)
    for stage in STAGES:
        if top.get(stage) is not None:
            yield from _bundle(stage, top[stage], fail)


def _bundle(stage: Stage, values: object, fail: Fail) -> Iterator[Guardrail]:
    bundle = _table(values, stage, fail)
    _closed(bundle, _BUNDLE, f"{stage}.", fail)
    _version(bundle, f"{stage}.", fail)
    entries = bundle.get("guardrails")
    if not isinstance(entries, list) or len(entries) > MAX_CHECKS:
        raise fail(f"{stage}.guardrails", f"is no list of {MAX_CHECKS} entries at most", SHAPE)
    settings = _table(bundle.get("config", {}), f"{stage}.config", fail)
    usual: Action | None = "warn" if settings.get("suppress_tripwire") is True else None
    for number, entry in enumerate(entries):
        yield _entry(stage, entry, f"{stage}.guardrails[{number}]", usual, fail)


def _entry(stage: Stage, values: object, at: str, usual: Action | None, fail: Fail) -> Guardrail:
    entry = _table(values, at, fail)
    _closed(entry, _ENTRY, f"{at}.", fail)
    name = entry.get("name")
    kind = _BY_NAME.get(name) if isinstance(name, str) else None
    if kind is None:
        known = sorted(_BY_NAME)
        raise fail(f"{at}.name", _unknown("check", name), _nearest(name, known))
    config = dict(_table(entry.get("config", {}), f"{at}.config", fail))
    keys = [_RENAMED.get(key, key) for key in kind.model_fields if key not in _OWN]
    _closed(config, keys, f"{at}.config.", fail)
    if "confidence_threshold" in config:
        asked = config.pop("confidence_threshold")
        config["threshold_percent"] = _percent(asked, f"{at}.config.confidence_threshold", fail)
    for word in config.get("entities") or ():
        if word not in (*FOUND_ENTITIES, *OTHER_ENTITIES):
            known = [*FOUND_ENTITIES, *OTHER_ENTITIES]
            raise fail(f"{at}.config.entities", _unknown("entity", word), _nearest(word, known))
    blocks: Action = "block" if config.get("block") is True else kind.USUAL
    action = entry.get("action", usual or blocks)
    own = {"stage": stage, "name": name, "action": action, "required": entry.get("required", False)}
    try:
        return _adapter().validate_json(json.dumps({**config, **own}))
    except ValidationError as error:
        raise _misfit(error, at, own, fail) from error


def _misfit(error: ValidationError, at: str, own: Collection[str], fail: Fail) -> ConfigError:
    """The first thing that is wrong; never its value."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"][1:]]
    where = at if path and path[0] in own else f"{at}.config"
    message = first["msg"]
    place = ".".join((where, *(_RENAMED.get(part, part) for part in path)))
    return fail(place, message[0].lower() + message[1:], "see the published schema of this check")


def _table(values: object, place: str, fail: Fail) -> Mapping[str, Any]:
    if not isinstance(values, dict):
        raise fail(place, "expected a table of keys", SHAPE)
    return values


def _closed(values: Mapping[str, Any], known: Collection[str], prefix: str, fail: Fail) -> None:
    for key in values:
        if key not in known:
            raise fail(
                f"{prefix}{ascii(key)[1:65]}".removesuffix("'"), "unknown key", _nearest(key, known)
            )


def _version(values: Mapping[str, Any], prefix: str, fail: Fail) -> None:
    version = values.get("version", 1)
    if version != 1 or isinstance(version, bool):
        raise fail(f"{prefix}version", "is not a version this product knows", "use 1")


def _percent(value: object, place: str, fail: Fail) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= float(str(value)) <= 1:
        raise fail(place, "is no confidence", "use a number from 0.0 to 1.0")
    return round(float(str(value)) * 100)


def _unknown(what: str, name: object) -> str:
    shown_name = ascii(name[:64]) if isinstance(name, str) else "no string"
    return f"unknown {what}: {shown_name}"


def _nearest(name: object, known: Collection[str]) -> str:
    near = get_close_matches(name[:64], known, n=1, cutoff=0.5) if isinstance(name, str) else []
    guess = f"did you mean {near[0]}? " if near else ""
    return f"{guess}known: {', '.join(known)}"


def _row(text: str, place: str) -> int | None:
    """The line of a place's last key, if that stands in the document once."""
    key = re.escape(re.sub(r"\[\d+\]$", "", place).rpartition(".")[2])
    found = list(re.finditer(rf'(?m)(?:"{key}"\s*:|^\s*{key}\s*=|\[\[?(?:\w+\.)*{key}\]\]?)', text))
    return text.count("\n", 0, found[0].start()) + 1 if len(found) == 1 else None
