"""A session kept for debugging without a model: one file per request, in the order of sending.

`0001.json`: `{"status": 200, "headers": {...}, "request": {...}, "response": "event: ..."}`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from runner.errors import ConfigError

KEPT_HEADERS = ("content-type", "retry-after")
_CHANGING = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*", re.IGNORECASE)
"""Dates, durations, commits, nonces: different in every run."""
_FRESH = re.compile(r"[0-9a-f]{16,}")
"""Of these, what an answer has to repeat."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response of upstream."""

    status: int
    headers: dict[str, str]
    body: bytes


class Recording:
    """Writes; `directory` must be absent or empty. Raises ConfigError."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._count = directory, 0
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            used = any(directory.iterdir())
        except OSError as error:
            raise ConfigError(f"cannot record to {directory}: {error.strerror}", _NAME) from error
        if used:
            raise ConfigError(f"{directory} is not empty", _NAME)

    def begin(self) -> BinaryIO:
        """Where the next exchange is written to; opened when its request is sent.

        Raises OSError.
        """
        self._count += 1
        path = self._directory / f"{self._count:04}.json"
        return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def write_exchange(file: BinaryIO, request: bytes, reply: Reply) -> None:
    """Both without credentials. Raises OSError."""
    document = {
        "status": reply.status,
        "headers": {name: reply.headers[name] for name in KEPT_HEADERS if name in reply.headers},
        "request": json.loads(request),
        "response": reply.body.decode(errors="surrogateescape"),
    }
    file.write(json.dumps(document, indent=1).encode())


class Replay:
    """Answers from a recording, in its order. Raises ConfigError for what is none."""

    def __init__(self, directory: Path) -> None:
        self._count = 0
        paths = sorted(directory.glob("[0-9]*.json"))
        if not paths:
            raise ConfigError(f"{directory} holds no recording", "make one with --record DIR")
        self._kept = [_load(path) for path in paths]

    def answer(self, request: bytes) -> Reply | str:
        """The next response, or how this request differs from the recorded one."""
        self._count += 1
        if self._count > len(self._kept):
            return f"request {self._count}: the recording ends before it"
        kept, reply = self._kept[self._count - 1]
        try:
            asked = _request(json.loads(request))
        except _BROKEN:
            return f"request {self._count}: not one to a model"
        if (why := _difference(kept, asked)) is not None:
            return f"request {self._count}: {why}"
        body = reply.body
        for old, new in zip(_fresh(kept), _fresh(asked), strict=False):
            body = body.replace(old.encode(), new.encode())
        return Reply(reply.status, reply.headers, body)


_NAME = "name a new directory"
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_HEADER = re.compile(r"[ -~]*")


def _load(path: Path) -> tuple[dict[str, Any], Reply]:
    try:
        kept = json.loads(path.read_bytes())
        body = kept["response"].encode(errors="surrogateescape")
        reply = Reply(_status(kept["status"]), _headers(kept["headers"]), body)
        request = _request(kept["request"])
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", "record it again") from error
    except _BROKEN as error:
        raise ConfigError(f"{path}: not a recorded exchange", "record it again") from error
    return request, reply


def _status(kept: object) -> int:
    if type(kept) is not int or not 200 <= kept <= 599:
        raise ValueError("not the status of a response")
    return kept


def _headers(kept: dict[str, str]) -> dict[str, str]:
    if not all(name in KEPT_HEADERS and _HEADER.fullmatch(text) for name, text in kept.items()):
        raise ValueError("not the headers that are kept")
    return kept


def _request(kept: dict[str, Any]) -> dict[str, Any]:
    """It, when it can be compared. Raises what `_BROKEN` names."""
    if not isinstance(kept["model"], str):
        raise TypeError("its model has no name")
    _shapes(kept)
    return kept


def _difference(kept: dict[str, Any], asked: dict[str, Any]) -> str | None:
    """The first one that counts: what tools printed may differ, what was said may not."""
    if kept["model"] != asked["model"]:
        return f"model {asked['model']}, recorded {kept['model']}"
    olds, news = _shapes(kept), _shapes(asked)
    for number, (old, new) in enumerate(zip(olds, news, strict=False)):
        if old[0] != new[0]:
            return f"input[{number}] is {new[0]}, recorded {old[0]}"
        if old[1] != new[1]:
            return f"input[{number}], {new[0]}, has another text than recorded"
    if len(olds) != len(news):
        return f"{len(news)} items of input, recorded {len(olds)}"
    return None


def _shapes(request: dict[str, Any]) -> list[tuple[str, str]]:
    """What an item is, and its text as far as it is the same in every run."""
    keys = ("type", "role", "name", "call_id")
    return [
        (" ".join(str(item[key]) for key in keys if key in item), _CHANGING.sub("#", _text(item)))
        for item in request["input"]
    ]


def _fresh(request: dict[str, Any]) -> list[str]:
    return [word for item in request["input"] for word in _FRESH.findall(_text(item))]


def _text(item: dict[str, Any]) -> str:
    parts = item.get("content") if item["type"] == "message" else None
    return "\n".join(str(part.get("text")) for part in parts or ())
