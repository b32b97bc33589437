"""A request that does not pass: the typed reason and the JSON a client gets."""

from __future__ import annotations

import json


class RefusalError(Exception):
    """`code` is for the log, `message` for codex. Status 400 is the one codex never retries."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def error_body(code: str, message: str) -> bytes:
    """`{"error":{"message":"codex-runner: ...","type":"...","code":"..."}}`."""
    error = {"message": f"codex-runner: {message}", "type": code, "code": code}
    return json.dumps({"error": error}).encode()
