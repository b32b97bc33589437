"""Own secret detector: credentials that no provider's rule describes. Pure `re` on bytes.

No length is too long to be seen: a quantifier without an upper bound either begins where nothing
else of its kind can or never gives back what it took, so time stays linear in ordinary text. Values
are looked at from the outside, never consumed: one may hold the next name and its value.
Tiers: `certain` for forms that mean nothing else (private keys, AWS ids, JWTs), `generic` for a
credential's name beside a value that looks random, `weak` where a person may have meant a sample.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Tier = Literal["certain", "generic", "weak"]

LONG_BYTES = 16
"""From here on a random-looking value is nearly never a sample."""
SPACED_BYTES = 20
"""A value only a blank away from its name has to be this long."""


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` is the value, without the name it was assigned to."""

    rule: str
    tier: Tier
    start: int
    end: int


_ASSIGNED = re.compile(
    rb"""(?ix)
    (?<![\w.-]) (?= [\w.-]*? (?P<name>
        key (?!word|board|space|frame) | token | secret | passw | passphrase | pwd | passcode
      | credential | auth (?!or) | access | bearer | webhook | (?<![a-z]) (?:pass|pw) (?![a-z]) ) )
    [\w.-]* (?: \\?["'`\])] ){0,3}
    (?P<sep> [ \t]* (?: (?:str|string|text) [ \t]+ (?==) )?
        (?: [:?|!+]{0,3} => | [:?|+.]{0,3} = {1,3} | :{1,2} | -> | ,
          | > (?=\s*+[\w+/=.~-]{8,}+\s*+</) )
        \s*+ | [ \t]++ )
    (?: [a-z]{1,2} (?=["'`]) )?
    (?= (?P<quote> \\?["'`] ) (?P<quoted> [^"'`\\\r\n]{6,}+ ) (?P=quote)
      | (?P<bare> [\w+/=.~!@\#$%^&*?|-]{8,512}+ ) )
    """
)
_PASSWORD = re.compile(rb"(?i)pass|pwd|pw\Z")
_NAME_BREAK = re.compile(rb"[^\w.\[\]\"'`\\)-]")
_STRONG_NAME = re.compile(rb"(?i)secret|token|pass|pwd|api[_.-]?key|access[_.-]?key")
_NO_SECRET_NAME = re.compile(
    rb"(?i)public|foreign|primary|encrypted|vault|key[_-]?(?:id|down|up|press|frame)|client[_-]?id"
    rb"|accessor|recv[_-]keys|fingerprint|checksum|hash|digest|csrf|credential_?id"
)
NAME_BYTES = 40
_CERTAIN = (
    (
        "aws-access-key-id",
        re.compile(rb"(?<![A-Za-z0-9+/])(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9+/=])"),
    ),
    (
        "private-key",
        re.compile(
            rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n|[\"'+,])++"
            rb"(?:[A-Za-z-]{2,}+: (?:(?!-----)[^\r\n])++\s++)*+"
            rb"([A-Za-z0-9+/=]{24}[A-Za-z0-9+/=\\\s\"'+,]{0,8192})"
        ),
    ),
    ("jwt", re.compile(rb"(?<![\w-])eyJ[\w-]{14,}+\.eyJ[\w-]{10,}+\.[\w-]{20,}+")),
)
_GROUPED = (
    ("url-password", re.compile(rb"://[^\s:/@\"'<>]*+:(?P<value>[^\s:/@\"'<>]{3,}+)@[\w.\[{-]")),
    (
        "authorization-header",
        re.compile(
            rb"(?i)authorization[\"']?\]?\s*+[:=,]\s*+[\"'`]?(?:bearer|basic|token|apikey)\s++"
            rb"(?P<value>[\w+/=.~-]{12,}+)"
        ),
    ),
    (
        "user-argument",
        re.compile(rb"\s(?:-u|--user)[ =]++[\"']?[\w.@-]++:(?P<value>[^\s\"':]{8,}+)"),
    ),
)
_PLACEHOLDER = re.compile(
    rb"(?i)example|sample|change.?me|placeholder|redact|dummy|your|xxx|\*\*\*|\.\.\.|insert|todo|lorem"
    rb"|password|secret|foobar|localhost|undefined|environ|getenv|qwerty|deadbeef|(.)\1{4}"
)
_SYNTAX = re.compile(
    rb"[()\[\]{}<>; \t]|\$[A-Za-z_]|::|->|//|%[sd]|%\d?\.|^[./@&#*]|^--"
    rb"|\.(?:js|ts|py|go|json|ya?ml|pem|crt|key|txt|html?|sh|md)\b"
)
_DOTTED = re.compile(rb"[A-Za-z_]\w*(?:[.?/][A-Za-z_-]\w*)+=?\Z")
_UUID = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PIECES = re.compile(rb"[_.:&=,/+-]+")
_PIECE = re.compile(rb"[A-Za-z]*[0-9]{0,4}[A-Za-z]{0,2}\Z")
_WORD = re.compile(rb"[A-Za-z]{3}")
_RUN = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+")
_LETTER = re.compile(rb"[A-Za-z]")
_DIGIT = re.compile(rb"[0-9]")


def find(text: bytes) -> Iterator[Match]:
    """All matches, rule by rule; spans of different rules may overlap."""
    for rule, pattern in _CERTAIN:
        for match in pattern.finditer(text):
            if not is_sample(match[match.lastindex or 0][:64]):
                yield Match(rule, "certain", *match.span())
    for rule, pattern in _GROUPED:
        for match in pattern.finditer(text):
            tier = _url_tier(match["value"]) if rule == "url-password" else _tier(match["value"])
            if tier is not None:
                yield Match(rule, tier, *match.span("value"))
    for match in _ASSIGNED.finditer(text):
        group = "quoted" if match["quote"] else "bare"
        tier = _assigned_tier(match, match[group], quoted=group == "quoted")
        if tier is not None:
            rule = "password" if _PASSWORD.search(match["name"]) else "credential"
            yield Match(rule, tier, *match.span(group))


def _assigned_tier(match: re.Match[bytes], value: bytes, *, quoted: bool) -> Tier | None:
    if not match["sep"].strip() and len(value) < SPACED_BYTES:
        return None
    if match["sep"].strip() == b"," and not quoted:
        return None
    name = match.string[max(0, match.start() - NAME_BYTES) : match.start("sep")]
    name = _NAME_BREAK.split(name)[-1]
    if _NO_SECRET_NAME.search(name):
        return None
    if _UUID.match(value):
        return "generic" if _STRONG_NAME.search(name) else None
    return _tier(value.rstrip(b".,"), is_password=_PASSWORD.search(match["name"]) is not None)


def _url_tier(value: bytes) -> Tier | None:
    """Between `user:` and `@host` nearly everything is a password, samples excepted."""
    if len(value) < 5 or is_sample(value) or _SYNTAX.search(value):
        return None
    return "generic" if _DIGIT.search(value) and _LETTER.search(value) else "weak"


def _tier(value: bytes, *, is_password: bool = False) -> Tier | None:
    """How sure a value in the place of a credential looks like one; None = not at all."""
    if is_sample(value) or _SYNTAX.search(value) or _DOTTED.match(value) or _UUID.match(value):
        return None
    if not _DIGIT.search(value) or not _LETTER.search(value) or _is_identifier(value):
        return None
    mixed = len(_RUN.findall(value)) / len(value)
    if (
        len(value) >= LONG_BYTES
        and entropy(value) >= 3.0
        and mixed >= (0.3 if len(value) < LONG_BYTES * 2 else 0.15)
    ):
        return "generic"
    if is_password and len(value) >= 8 and entropy(value) >= 2.5:
        return "generic" if mixed >= 0.4 else "weak"
    return "weak" if len(value) >= 10 and entropy(value) >= 3.0 and mixed >= 0.3 else None


def is_sample(value: bytes) -> bool:
    """The value says itself that it is none."""
    return _PLACEHOLDER.search(value) is not None


def _is_identifier(value: bytes) -> bool:
    """Words and small numbers, e.g. `0002_alter_name`, `key2=value2`."""
    pieces = _PIECES.split(value)
    wordy = len(pieces) > 1 and _WORD.search(value) is not None
    return wordy and all(_PIECE.match(piece) for piece in pieces)


def entropy(value: bytes) -> float:
    """Shannon entropy, bits per byte."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
