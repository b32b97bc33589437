"""A request that does not pass: the typed reason and the JSON a client gets."""

from __future__ import annotations

import json


class RefusalError(Exception):
    """`code` is for the log, `message` for codex. Status 400 is the one codex never retries.

    `fault` is for a person: it is not the request alone that is wrong.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, fault: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fault = fault


def error_body(code: str, message: str) -> bytes:
    """`{"error":{"message":"codex-runner: ...","type":"...","code":"..."}}`."""
    error = {"message": f"codex-runner: {message}", "type": code, "code": code}
    return json.dumps({"error": error}).encode()
