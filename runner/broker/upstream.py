"""The model provider: how it is reached, and what its refusals mean to codex and to a person."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.broker.keys import Key

if TYPE_CHECKING:
    import httpx

CONNECT_S = 10.0
CONNECT_RETRIES = 2
SEND_S = 30.0
MAX_ERROR_BYTES = 64 * 1024
MAX_MESSAGE_CHARS = 1000
MAX_RETRY_AFTER_S = 60


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go. Nothing of it comes from the client or from the environment."""

    base_url: str
    """E.g. `https://api.openai.com/v1`; https, or loopback."""
    proxy: str | None = None
    """`http://host:port`; the environment's proxies are not used."""
    silence_s: float = 300.0
    """Longest wait for the next byte."""
    output_tokens: int = 128_000
    """Most output of one response; models with a lower limit of their own need a lower one."""

    def client(self, key: Key) -> httpx.AsyncClient:
        """Pooled, no redirects, no cookies, no environment; a failed connect is tried again."""
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx

        # reading the certificates takes 25 ms: not for a model on this machine
        encrypted = any(url.startswith("https:") for url in (self.base_url, self.proxy or ""))
        transport = httpx.AsyncHTTPTransport(
            verify=encrypted, trust_env=False, proxy=self.proxy, retries=CONNECT_RETRIES
        )
        return httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(self.silence_s, connect=CONNECT_S, write=SEND_S),
            headers={
                "authorization": f"Bearer {key.secret.decode()}",
                "content-type": "application/json",
                "accept": "text/event-stream",
                "accept-encoding": "identity",  # a compressed stream could not be searched
                "user-agent": "codex-runner",
            },
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What codex is told instead of upstream's own error. 400 ends its turn at once."""

    status: int
    code: str
    message: str
    fault: str | None
    """For a person: why the infrastructure failed; None = the request itself was wrong."""
    retry_after_s: int | None = None


def explain(status: int, body: bytes, retry_after: str, key: Key) -> Answer:
    """Upstream answered with something other than a 200."""
    if status in (401, 403):  # its text may hold the key: never repeated
        return failed(f"upstream refused the key ({status})", "upstream-key")
    if 300 <= status < 400:
        return failed(f"upstream redirects ({status}); set its final address", "upstream-redirect")
    code, message = _error(body, key)
    if status == 429 and code == "insufficient_quota":
        return failed("upstream says the account has no quota left", "upstream-quota")
    if status == 429:
        wait_s = min(int(retry_after), MAX_RETRY_AFTER_S) if retry_after.isdigit() else None
        fault = "upstream limits the rate (429)"
        return Answer(429, "upstream-rate", fault, fault, wait_s)
    if status >= 500 or status < 200:
        fault = f"upstream failed ({status})"
        return Answer(503 if status == 503 else 502, "upstream-failed", fault, fault)
    text = f"upstream refused the request ({status} {code}): {message}"
    return Answer(400, "upstream-refused", text, text if status in (402, 404) else None)


def failed(fault: str, code: str) -> Answer:
    """No retry can help."""
    return Answer(400, code, fault, fault)


def _error(body: bytes, key: Key) -> tuple[str, str]:
    """`error.code` and `error.message` of an error body, without the key or control characters."""
    try:
        error = json.loads(body.replace(key.secret, b"[redacted]"))["error"]
        code, message = str(error.get("code")), str(error.get("message"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        code, message = "", "no reason given"
    printable = "".join(c if c.isprintable() else " " for c in message.replace(_text(key), "***"))
    return (code if re.fullmatch(r"[a-z0-9_]{1,64}", code) else ""), printable[:MAX_MESSAGE_CHARS]


def _text(key: Key) -> str:
    return key.secret.decode()
