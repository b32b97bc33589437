"""A reviewer's answer about one portion, read strictly: one JSON object of exactly one shape."""

from __future__ import annotations

import json
from typing import Literal, NoReturn

from pydantic import Field, ValidationError

from runner.records.base import Record

FINDINGS = 50
TEXT_CHARS = 2000
SEVERITIES = ("critical", "high", "medium", "low")
_PLACE = {"path": {"type": "string"}, "line": {"type": "integer"}}


def _closed(properties: dict[str, object]) -> dict[str, object]:
    """All keys required, no other allowed: the one form of object that models are held to."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*properties],
        "properties": properties,
    }


SCHEMA = _closed(
    {
        "nonce": {"type": "string"},
        "tree": {"type": "string"},
        "portion": {"type": "string"},
        "planted": {"anyOf": [_closed({**_PLACE}), {"type": "null"}]},
        "findings": {
            "type": "array",
            "items": _closed(
                {
                    "severity": {"type": "string", "enum": [*SEVERITIES]},
                    "path": {"type": ["string", "null"]},
                    "line": {"type": ["integer", "null"]},
                    "rationale": {"type": "string"},
                    "confidence": {"type": "integer"},
                }
            ),
        },
        "summary": {"type": "string"},
        "verdict": {"type": "string", "enum": ["approve", "reject", "abstain"]},
    }
)
"""What the model is asked to follow; never trusted to. The verdict stands last: found first."""


class Place(Record):
    """Where a reviewer says the planted defect is."""

    path: str = Field(max_length=65_536)
    line: int = Field(ge=1, le=10**9)


class Remark(Record):
    """One finding of a reviewer."""

    severity: Literal["critical", "high", "medium", "low"]
    path: str | None = Field(max_length=65_536)
    """As it was shown; None = the change as a whole."""
    line: int | None = Field(ge=1, le=10**9)
    rationale: str = Field(min_length=1, max_length=TEXT_CHARS)
    confidence: int = Field(ge=0, le=100)
    """Percent."""


class Answer(Record):
    """The whole answer."""

    nonce: str
    tree: str
    portion: str
    planted: Place | None
    findings: list[Remark] = Field(max_length=FINDINGS)
    summary: str = Field(max_length=TEXT_CHARS)
    verdict: Literal["approve", "reject", "abstain"]


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
