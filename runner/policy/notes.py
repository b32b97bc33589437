"""What a layer asked for and did not get, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runner.policy.lattice import BUILT_IN, Decided, Dropped, Place
from runner.records.merge import LAYERS
from runner.text import cut

MAX_VALUE = 80


def notes(decided: Decided) -> Iterator[str]:
    """From the highest layer down."""
    dropped = sorted(decided.dropped, key=lambda each: LAYERS.index(each.asker.layer))
    for each in dropped:
        yield from note(each)


def note(dropped: Dropped) -> Iterator[str]:
    who, by = asker(dropped.asker), decider(dropped.field, dropped.by)
    match dropped.field, dropped.asked:
        case "test", str():
            yield f"test: the command of {who} is not used; {by} decides"
        case "tests.baseline", False if dropped.by == BUILT_IN:
            why = "whose test command it is, decides"
            yield f"tests.baseline: {who} asks for false, which is not used; {why}"
        case "setup.hosts", hosts:
            for host in hosts:
                line = f'hosts = ["{host}"] under [setup] in config.toml'
                yield f"setup.hosts: {who} asks for {host}; allowed by {line}"
        case name, int(asked) if type(asked) is int:
            how = "pinned" if dropped.pinned else "cut"
            yield f"{name}: {who} asks for {asked}, {how} to {shown(dropped.got)} by {by}"
        case name, asked:
            yield f"{name}: {who} asks for {shown(asked)}, which is not used; {by} decides"


def asker(place: Place) -> str:
    match place.layer:
        case "task":
            return "the task"
        case "repository":
            return "the repository's policy"
        case _:
            return place.where


def decider(field: str, place: Place) -> str:
    match place.layer:
        case "built-in" | "user" if field.startswith("limits."):
            return "the ceiling, [limits] in config.toml"
        case "built-in":
            return "the built-in default"
        case "organisation":
            return f"the organisation's policy ({place.where})"
        case _:
            return asker(place)


def shown(value: Any) -> str:
    """In one printable line, not too long."""
    return cut(json.dumps(plain(value)), MAX_VALUE)


def plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value if isinstance(value, str | int | list | dict | None) else str(value)
