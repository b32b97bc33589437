"""Records as JSON on a terminal or in a pipe."""

from __future__ import annotations

import json


def to_json(value: object, indent: int | None = 2) -> str:
    """ASCII only, so that nothing in a string can reach a terminal as a control."""
    return json.dumps(value, indent=indent).replace("\x7f", "\\u007f")
