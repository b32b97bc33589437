"""What upstream's refusals mean: to codex, to a person, and whether asking again makes sense."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from runner.broker.transport import DivergedError
from runner.redact import Redactor

MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE_CHARS = 1000
FIRST_PAUSE_S = 1.0
"""Doubled with every try, where upstream does not say how long."""
MAX_PAUSE_S = 120.0
"""Whoever is told to wait longer gives up."""
RATE_TRIES = 6
FAILED_TRIES = 3
LOST_TRIES = 2
"""Each may have cost the whole reservation."""
NO_QUOTA = frozenset(
    {"insufficient_quota", "quota_exceeded", "usage_limit_reached", "billing_hard_limit_reached"}
)
"""No waiting mends these 429."""
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(frozen=True, slots=True)
class Answer:
    """What codex is told in the end, as a 400: the one status it never tries again."""

    code: str
    message: str
    fault: str | None
    """For a person: why the infrastructure failed; None = the request itself was wrong."""
    tries: int = 1
    """Most attempts that make sense."""
    retry_after_s: float | None = None
    """Upstream's own word."""
    free: bool = True
    """Upstream did no work; else nobody knows, and the tokens count as spent."""

    def pause_s(self, tries: int) -> float | None:
        """How long to wait after so many attempts; None = give up."""
        if tries >= self.tries:
            return None
        own = FIRST_PAUSE_S * 2 ** (tries - 1)
        wait_s = own if self.retry_after_s is None else self.retry_after_s
        return wait_s if wait_s <= MAX_PAUSE_S else None


def failed(fault: str, code: str) -> Answer:
    """Not the request's fault, and no retry helps."""
    return Answer(code, fault, fault)


def explain(
    status: int, headers: Mapping[str, str], body: bytes, held: tuple[bytes, ...]
) -> Answer:
    """Upstream answered with something other than a 200."""
    if status in (401, 403):  # its text may hold the key: never repeated
        return failed(f"upstream refused the key ({status})", "upstream-key")
    if 300 <= status < 400:
        return failed(f"upstream redirects ({status}); set its final address", "upstream-redirect")
    code, message = _error(body, held)
    after_s = _retry_after_s(headers)
    if status == 402 or (status == 429 and code in NO_QUOTA):
        return failed("upstream says the account has no quota left", "upstream-quota")
    if status == 429:
        told = "" if after_s is None else f", wants a pause of {after_s:.0f} s"
        fault = f"upstream limits the rate (429){told}"
        return Answer("upstream-rate", fault, fault, RATE_TRIES, after_s)
    if status >= 500 or status < 200:
        fault = f"upstream failed ({status})"
        return Answer("upstream-failed", fault, fault, FAILED_TRIES, after_s)
    text = f"upstream refused the request ({status} {code}): {message}"
    return Answer("upstream-refused", text, text if status == 404 else None)


def unreachable(error: httpx.HTTPError) -> Answer:
    """The kind of failure only: its text may name addresses of the operator's network."""
    if isinstance(error, DivergedError):
        return failed(str(error), "diverged")
    fault = f"upstream unreachable: {type(error).__name__}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        fault = "upstream's certificate is not trusted; name its authority in provider.ca_file"
    if isinstance(error, NOT_SENT):  # it was tried several times already
        return failed(fault, "upstream-unreachable")
    return Answer("upstream-unreachable", fault, fault, LOST_TRIES, free=False)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`Retry-After: 20`, or a date; `retry-after-ms: 1500` is more exact."""
    exact, given = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    for text, unit_s in ((exact, 0.001), (given, 1.0)):
        if re.fullmatch(r"[0-9]{1,9}", text):
            return int(text) * unit_s
    with suppress(ValueError):
        at = parsedate_to_datetime(given)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())
    return None


def _error(body: bytes, held: tuple[bytes, ...]) -> tuple[str, str]:
    """Code and message of an error body, without credentials or control characters."""
    redactor = Redactor(held)
    try:
        error = json.loads(redactor.feed(body) + redactor.close())["error"]
        code = str(error.get("code") or error.get("type"))
        redactor = Redactor(held)  # once more: escapes are gone now
        message = redactor.feed(str(error.get("message")).encode(errors="replace"))
        text = (message + redactor.close()).decode(errors="replace")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        code, text = "", "no reason given"
    printable = "".join(c if c.isprintable() else " " for c in text)
    return (code if re.fullmatch(r"[a-z0-9_]{1,64}", code) else ""), printable[:MAX_MESSAGE_CHARS]
