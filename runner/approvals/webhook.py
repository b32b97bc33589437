"""A person's word through a signed call: chat, a ticket system, whatever an operator relays from.

1. The body is authentic: HMAC-SHA256 over `TIMESTAMP.BODY` with the shared secret.
2. It is of now: at most five minutes old or ahead, and no call is taken twice.
3. Who it is comes from the operator's table of accounts; names in the body are not looked at.
4. What it says again changes nothing: the first word of a person stands.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from runner.approvals.queue import Queue
from runner.errors import ConfigError, RefusedError, RunnerError
from runner.records.base import Record

FILE = "webhook.json"
"""In STATE/approvals, mode 0600: `{"secret": "...", "people": {"U024BE7LH": "user:ada"}}`."""
TIMESTAMP, SIGNATURE = "x-codex-runner-timestamp", "x-codex-runner-signature"
WINDOW = timedelta(minutes=5)
MOST_BYTES = 16 * 1024
LEAST_SECRET = 32
Reply = tuple[int, Mapping[str, object]]
"""HTTP status and body."""


class Relay(Record):
    """Who may call, and whom it speaks for."""

    secret: str = Field(min_length=LEAST_SECRET, repr=False)
    people: dict[str, str]
    """An account of theirs -> the person: `user:NAME` or `github:NAME`."""


class Call(Record):
    """The body: `{"account": "U024BE7LH", "request": "ap_...", "action": "...", "word": "no"}`."""

    account: str
    """As the sending system knows whoever pressed the button; never what they call themselves."""
    request: str
    action: str
    """Digest of the action they were shown, 12 digits or more."""
    word: Literal["yes", "no"]
    reason: str = Field(default="", max_length=500)
    name: object = None
    """Whatever; not looked at."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """`Webhook(queue, relay).answer(body, headers)`, for a route of a server."""

    queue: Queue
    relay: Relay

    def answer(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """`headers` by their names in lower case. Never raises for what a caller sends."""
        now = self.queue.clock()
        stamp, signature = headers.get(TIMESTAMP, ""), headers.get(SIGNATURE, "")
        if len(body) > MOST_BYTES:
            return _no(413, f"more than {MOST_BYTES} bytes")
        expected = signed(self.relay.secret, stamp, body)
        if not hmac.compare_digest(expected.encode(), signature.encode(errors="replace")):
            return _no(401, "the signature is missing or another's")
        if not _is_of(stamp, now.timestamp()):
            return _no(401, "the timestamp is not of now")
        try:
            call = Call.model_validate_json(body)
        except ValidationError:
            return _no(400, "the body is not a call")
        person = self.relay.people.get(call.account)
        if person is None:
            return _no(403, "this account is nobody's here")
        try:
            with self.queue.store.writing() as rows:
                if not rows.see(expected, now):
                    return _no(409, "this very call was taken before")
            given = self.queue.resolve(
                call.request, call.word, call.action, person, "webhook", call.reason
            )
        except RunnerError as error:
            return _no(_STATUS.get(type(error), 503), error.problem)
        return 200, {"request": given.id, "word": given.word, "approver": given.approver}


_STATUS = {ConfigError: 404, RefusedError: 409}


def signed(secret: str, timestamp: str, body: bytes) -> str:
    """`v1=` and the HMAC in hex: what a sender puts into the header."""
    message = timestamp.encode(errors="replace") + b"." + body
    return "v1=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def load(home: Path) -> Relay | None:
    """The operator's table; None = there is none.

    Raises:
        ConfigError: others can read it, or it is none.
    """
    path = home / FILE
    remedy = 'write {"secret": "32 characters or more", "people": {"ACCOUNT": "user:NAME"}}'
    try:
        found = path.lstat()
        if found.st_mode & 0o170077 != 0o100000:
            raise ConfigError(f"{path} is no private file", f"chmod 0600 {path}")
        relay = Relay.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise ConfigError(f"{path} cannot be read, or is no table of accounts", remedy) from None
    return relay


def _is_of(stamp: str, now: float) -> bool:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        return False
    return abs(int(stamp) - now) <= WINDOW.total_seconds()


def _no(status: int, why: str) -> Reply:
    return status, {"error": why}
