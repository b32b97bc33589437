"""The reviewer's answer, read strictly: exactly one JSON object of exactly one shape."""

from __future__ import annotations

import json
from typing import Literal, NoReturn

from pydantic import Field, ValidationError

from runner.records.base import Record

FINDINGS = 50
TEXT_CHARS = 2000

SCHEMA: dict[str, object] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["nonce", "tree", "verdict", "findings", "summary"],
    "properties": {
        "nonce": {"type": "string"},
        "tree": {"type": "string"},
        "verdict": {"type": "string", "enum": ["approve", "reject"]},
        "findings": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["path", "line", "severity", "why"],
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": ["integer", "null"]},
                    "severity": {"type": "string", "enum": ["high", "medium", "low"]},
                    "why": {"type": "string"},
                },
            },
        },
        "summary": {"type": "string"},
    },
}
"""What the model is asked to follow; never trusted to."""


class Remark(Record):
    """One finding of the reviewer."""

    path: str = Field(max_length=4096)
    line: int | None = Field(ge=0, le=10**9)
    severity: Literal["high", "medium", "low"]
    why: str = Field(min_length=1, max_length=TEXT_CHARS)


class Answer(Record):
    """The whole answer."""

    nonce: str
    tree: str
    verdict: Literal["approve", "reject"]
    findings: list[Remark] = Field(max_length=FINDINGS)
    summary: str = Field(max_length=TEXT_CHARS)


class InvalidAnswerError(Exception):
    """`str(error)` says what is wrong, without quoting the answer."""


def parse(text: str) -> Answer:
    """Raises InvalidAnswerError: trailing text, duplicate keys, another shape, too long."""
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        return Answer.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidAnswerError(f"{where}: {first['msg']}") from error
    except RecursionError as error:
        raise InvalidAnswerError("nested too deep") from error
    except ValueError as error:
        raise InvalidAnswerError("not exactly one JSON object with unique keys") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
