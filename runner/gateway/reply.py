"""An answer over HTTP: a status, and a body that is JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from runner.records.decision import Answer


@dataclass(frozen=True, slots=True)
class Reply:
    """`Reply(200, b'{"decision":"ALLOW",...}')`."""

    status: int
    body: bytes


def answered(answer: Answer, status: int = 200) -> Reply:
    return Reply(status, answer.model_dump_json().encode())


def told(value: Mapping[str, object], status: int = 200) -> Reply:
    return Reply(status, json.dumps(value, default=dict).encode())


def wrong(status: int, why: str) -> Reply:
    """Of everything but `/api/execute`."""
    return told({"error": why}, status)
