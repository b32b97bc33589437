"""Credentials by what is said around them: headers, URLs, statements and commands. Pure `re`.

A phrase is tried where one of its literals stands; the value is the group of that name.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from runner.gates.likeness import Tier, is_sample, likeness, url_likeness

BEFORE_BYTES = 64
"""How far back a rule looks at what stands before its literal."""

Judge = Callable[[bytes], Tier | None]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Tried where one of `literals` (lower case) stands; the value is the group of that name."""

    name: str
    literals: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    judge: Judge
    before: re.Pattern[bytes] | None = None
    """What comes before the literal, if that matters; ends in `\\Z`."""


def _certain(value: bytes) -> Tier | None:
    return None if is_sample(value[:64]) else "certain"


def _password(value: bytes) -> Tier | None:
    return likeness(value, is_password=True, quoted=True)


def _credential(value: bytes) -> Tier | None:
    return likeness(value, is_password=False, quoted=True)


def _basic(value: bytes) -> Tier | None:
    """`user:password` in base64, and nothing else is."""
    try:
        user, colon, password = base64.b64decode(value).partition(b":")
    except binascii.Error:
        return None
    is_told = colon and user.isascii() and password.isascii() and len(password) >= 5
    return "generic" if is_told and not is_sample(password) else None


PHRASES = (
    Phrase(
        "private-key",
        (b"private key",),
        re.compile(
            rb"PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n|[\"'+,])++"
            rb"(?:[A-Za-z-]{2,}+: (?:(?!-----)[^\r\n])++\s++)*+"
            rb"(?P<value>[A-Za-z0-9+/=]{24}[A-Za-z0-9+/=\\\s\"'+,]{0,8192})"
        ),
        _certain,
        re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}\Z"),
    ),
    Phrase(
        "url-password",
        (b"://",),
        re.compile(rb"://[^\s:/@\"'<>]*+:(?P<value>[^\s:/@\"'<>]{3,}+)@[\w.\[{%-]"),
        url_likeness,
    ),
    Phrase(
        "authorization-header",
        (b"authorization",),
        re.compile(
            rb"(?i)authorization[\"']?\]?\s*+[:=,]\s*+[\"'`]?(?:bearer|basic|token|apikey)\s++"
            rb"(?P<value>[\w+/=.~-]{12,}+)"
        ),
        _credential,
    ),
    Phrase(
        "basic-authorization",
        (b"basic",),
        re.compile(rb"(?i)basic\s++(?P<value>[A-Za-z0-9+/]{12,}+={0,2})"),
        _basic,
    ),
    Phrase(
        "sql-password",
        (b"identified",),
        re.compile(
            rb"(?i)identified(?:\s++with\s++\w++)?\s++by\s++['\"]?(?P<value>[\w!#$%^&*@.-]{5,64})"
        ),
        _password,
    ),
    Phrase(
        "sql-password",
        (b"password ",),
        re.compile(rb"(?i)password\s++['\"]?(?P<value>[\w!#$%^&*@.-]{5,64})"),
        _password,
        re.compile(rb"(?i)\b(?:with|login|encrypted|(?:role|user)\s++\w++)\s++\Z"),
    ),
    Phrase(
        "command-password",
        (
            *(b"-pass", b"--token", b"--key", b"--secret", b"--api-key", b"--apikey"),
            *(b"--api-token", b"--apitoken", b"--api-secret", b"--apisecret"),
        ),
        re.compile(
            rb"(?i)(?:-pass(?:in|out)\s++pass:|--?pass(?:word|phrase|wd)?[ =]++"
            rb"|--(?:api-?)?(?:token|key|secret)[ =]++)['\"]?(?P<value>[\w!#$%^&*@.+/-]{5,128})"
        ),
        _password,
        re.compile(rb"(?:\A|[^\w])\Z"),
    ),
    Phrase(
        "command-password",
        (
            *(b"docker login", b"podman login", b"az login", b"oc login"),
            *(b"sshpass ", b"mysql", b"redis-cli"),
        ),
        re.compile(
            rb"(?i)(?:sshpass|mysql[a-z]{0,8}+(?=[^\n]{0,200}\s-p\S)|redis-cli"
            rb"|(?:docker|podman|az|oc) login)"
            rb"(?:[ \t]{1,9}+(?!-[pa])[^\s;|]{1,200}+){0,12}+[ \t]{1,9}+-[pa][ \t]?"
            rb"['\"]?(?P<value>[\w!#%^&*@.+/~-]{6,128})"
        ),
        _password,
    ),
    Phrase(
        "command-password",
        (b"convertto-securestring",),
        re.compile(
            rb"(?i)convertto-securestring(?:\s++-string)?\s++['\"](?P<value>[^\"'\s]{6,64})['\"]"
        ),
        _password,
    ),
    Phrase(
        "credential-call",
        (
            *(b"credential(", b"credentials(", b"directoryentry("),
            *(b"login(", b"authenticate(", b"basicauth("),
        ),
        re.compile(
            rb"(?i)(?:credentials?|directoryentry|login|authenticate|basicauth)\("
            rb"(?:[^()\"'\n]{0,40}[\"'][^\"'\n]{0,200}[\"'],\s{0,40}){1,3}"
            rb"[\"'](?P<value>[^\"'\s]{6,64})[\"']"
        ),
        _password,
    ),
    Phrase(
        "vault-unseal",
        (b"unseal",),
        re.compile(
            rb"(?i)unseal(?:\s++key\s++[0-9]++:)?\s++(?P<value>[A-Za-z0-9+/]{43,44})(?![A-Za-z0-9+/])"
        ),
        _certain,
    ),
    Phrase(
        "user-argument",
        (b"-u",),  # and --user
        re.compile(rb"-u(?:ser)?[ =]++[\"']?[\w.@-]++:(?P<value>[^\s\"':]{8,}+)"),
        _credential,
        re.compile(rb"\s-?\Z"),
    ),
)
