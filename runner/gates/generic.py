"""Own secret detector: credentials that no provider's rule describes. Pure `re` on bytes.

Nothing is searched for before a literal that it must contain was found, so ordinary text costs what
looking for a few words costs. No length is too long to be seen: a quantifier without an upper bound
either begins where nothing else of its kind can or never gives back what it took, so time stays
linear. Values are looked at from the outside, never consumed: one may hold the next name and value.
Tiers: `certain` for forms that mean nothing else (private keys, AWS ids, JWTs), `generic` for a
credential's name beside a value that looks random, `weak` where a person may have meant a sample.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from runner.gates import formats
from runner.gates.likeness import Tier, is_sample, is_uuid, likeness, url_likeness

SPACED_BYTES = 20
"""A value only a blank away from its name has to be this long."""
NAME_BYTES = 200
"""How far back the beginning of a name is looked for."""


@dataclass(frozen=True, slots=True)
class Match:
    """`text[start:end]` is the value, without the name it was assigned to."""

    rule: str
    tier: Tier
    start: int
    end: int


_NAMES = (
    *(b"key", b"token", b"secret", b"pass", b"pwd", b"credential", b"creds", b"auth", b"access"),
    *(b"bearer", b"webhook", b"pw", b"private"),
)
_ASSIGNED = re.compile(
    rb"""(?ix)
    (?= [\w.-]*? (?P<name>
        key (?!word|board|space|frame) | private (?![a-z]) | token | secret | passw | passphrase
      | pwd | passcode | credential | creds (?![a-z]) | auth (?!or) | access | bearer | webhook
      | (?<![a-z]) (?:pass|pw) (?![a-z]) ) )
    [\w.-]* (?: \\?["'`\])] ){0,3}
    (?P<sep> [ \t]* (?: (?:str|string|text) [ \t]+ (?==) )?
        (?: [:?|!+]{0,3} => | [:?|+.!]{0,3} = {1,3} | :{1,2} | -> | ,
          | > (?=\s*+[\w+/=.~-]{8,}+\s*+</) )
        \s*+ | [ \t]++ )
    (?: [a-z]{1,2} (?=["'`]) | [\w.\[\]]{1,24} \( (?=["'`]) )?
    (?= (?P<quote> \\?["'`] ) (?P<quoted> [^"'`\\\r\n]{5,}+ ) (?P=quote)
      | (?P<bare> [\w+/=.~!@\#$%^&*?|-]{5,512}+ ) )
    """
)
_PASSWORD = re.compile(rb"(?i)pass|pwd|pw\Z")
_NAME_BREAK = re.compile(rb"[^\w.\[\]\"'`\\)-]")
_STRONG_NAME = re.compile(rb"(?i)secret|token|pass|pwd|api[_.-]?key|access[_.-]?key")
_NO_SECRET_NAME = re.compile(
    rb"(?i)public|foreign|primary|encrypted|vault|key[_-]?(?:id|down|up|press|frame)|client[_-]?id"
    rb"|accessor|recv[_-]keys|fingerprint|checksum|hash|digest|csrf|credential_?id"
    rb"|non_?match|(?:\A|_)other_|chars|alphabet|meshing|ids?\Z|keystr"
    rb"|_(?:file|path|url|name|dir|len|size|type|count)s?\Z"
)
_NUMBERED = re.compile(rb"[0-9]{3,20}:")
_IN_NAME = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")

_KEY_TYPE = b"kty"
_KEY_PART = re.compile(rb"(?<!\w)[dk][\"']?\s*+:\s*+[\"'](?P<value>[\w-]{22,}+)[\"']")
AROUND_BYTES = 4096
"""How far from its type the private part of a JSON web key may stand."""
BEFORE_BYTES = 64
"""How far back a rule looks at what stands before its literal."""

Judge = Callable[[bytes], Tier | None]


@dataclass(frozen=True, slots=True)
class _Rule:
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
    return "generic" if colon and user.isascii() and password.isascii() and password else None


_RULES = (
    _Rule(
        "private-key",
        (b"-----begin ",),
        re.compile(
            rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\r|\\n|[\"'+,])++"
            rb"(?:[A-Za-z-]{2,}+: (?:(?!-----)[^\r\n])++\s++)*+"
            rb"(?P<value>[A-Za-z0-9+/=]{24}[A-Za-z0-9+/=\\\s\"'+,]{0,8192})"
        ),
        _certain,
    ),
    _Rule(
        "url-password",
        (b"://",),
        re.compile(rb"://[^\s:/@\"'<>]*+:(?P<value>[^\s:/@\"'<>]{3,}+)@[\w.\[{%-]"),
        url_likeness,
    ),
    _Rule(
        "authorization-header",
        (b"authorization",),
        re.compile(
            rb"(?i)authorization[\"']?\]?\s*+[:=,]\s*+[\"'`]?(?:bearer|basic|token|apikey)\s++"
            rb"(?P<value>[\w+/=.~-]{12,}+)"
        ),
        _credential,
    ),
    _Rule(
        "basic-authorization",
        (b"basic ",),
        re.compile(rb"(?i)basic\s++(?P<value>[A-Za-z0-9+/]{12,}+={0,2})"),
        _basic,
    ),
    _Rule(
        "sql-password",
        (b"identified",),
        re.compile(rb"(?i)identified\s++by\s++['\"]?(?P<value>[\w!#$%^&*@.-]{5,64})"),
        _password,
    ),
    _Rule(
        "sql-password",
        (b"password ",),
        re.compile(rb"(?i)password\s++['\"]?(?P<value>[\w!#$%^&*@.-]{5,64})"),
        _password,
        re.compile(rb"(?i)\b(?:with|login|(?:role|user)\s++\w++)\s++\Z"),
    ),
    _Rule(
        "command-password",
        (b"-pass", b"--token", b"--key", b"--secret", b"--api"),
        re.compile(
            rb"(?i)(?:-pass(?:in|out)\s++pass:|--?pass(?:word|phrase|wd)?[ =]++"
            rb"|--(?:api-?)?(?:token|key|secret)[ =]++)['\"]?(?P<value>[\w!#$%^&*@.+/-]{5,128})"
        ),
        _password,
        re.compile(rb"(?:\A|[^\w])\Z"),
    ),
    _Rule(
        "credential-call",
        (b"credential(", b"credentials(", b"directoryentry(", b"login(", b"authenticate("),
        re.compile(
            rb"(?i)(?:credentials?|directoryentry|login|authenticate)\("
            rb"(?:[^()\"'\n]{0,40}[\"'][^\"'\n]{0,200}[\"'],\s{0,40}){1,3}"
            rb"[\"'](?P<value>[^\"'\s]{6,64})[\"']"
        ),
        _password,
    ),
    _Rule(
        "vault-unseal",
        (b"unseal",),
        re.compile(
            rb"(?i)unseal(?:\s++key\s++[0-9]++:)?\s++(?P<value>[A-Za-z0-9+/]{43,44})(?![A-Za-z0-9+/])"
        ),
        _certain,
    ),
    _Rule(
        "user-argument",
        (b" -u ", b" --user"),
        re.compile(rb"\s(?:-u|--user)[ =]++[\"']?[\w.@-]++:(?P<value>[^\s\"':]{8,}+)"),
        _credential,
    ),
)


def find(text: bytes) -> Iterator[Match]:
    """All matches, rule by rule; spans of different rules may overlap."""
    for rule, start, end in formats.find(text):
        yield Match(rule, "certain", start, end)
    lowered = text.lower()
    for known in _RULES:
        for start in _places(lowered, known.literals):
            before = known.before is None or known.before.search(
                text, max(0, start - BEFORE_BYTES), start
            )
            match = known.pattern.match(text, start) if before else None
            tier = known.judge(match["value"]) if match else None
            if match and tier:
                yield Match(known.name, tier, *match.span("value"))
    for start, end in _web_keys(text):
        yield Match("jwk", "generic", start, end)
    for start in _names(lowered):
        match = _ASSIGNED.match(text, start)
        if match is not None:
            yield from _assigned(match)


def _web_keys(text: bytes) -> set[tuple[int, int]]:
    """The private parts of JSON web keys."""
    return {
        match.span("value")
        for at in _places(text, (_KEY_TYPE,))
        for match in _KEY_PART.finditer(text, max(0, at - AROUND_BYTES), at + AROUND_BYTES)
        if _credential(match["value"])
    }


def _places(text: bytes, literals: Sequence[bytes]) -> Iterator[int]:
    for literal in literals:
        at = text.find(literal)
        while at >= 0:
            yield at
            at = text.find(literal, at + len(literal))


def _names(lowered: bytes) -> list[int]:
    """Where the names begin that hold one of `_NAMES`."""
    starts: set[int] = set()
    for at in _places(lowered, _NAMES):
        start, floor = at, max(0, at - NAME_BYTES)
        while start > floor and lowered[start - 1] in _IN_NAME:
            start -= 1
        starts.add(start)
    return sorted(starts)


def _assigned(match: re.Match[bytes]) -> Iterator[Match]:
    group = "quoted" if match["quote"] else "bare"
    is_password = _PASSWORD.search(match["name"]) is not None
    tier = _assigned_tier(match, match[group], is_password=is_password, quoted=group == "quoted")
    if tier is not None:
        yield Match("password" if is_password else "credential", tier, *match.span(group))


def _assigned_tier(
    match: re.Match[bytes], value: bytes, *, is_password: bool, quoted: bool
) -> Tier | None:
    sep = match["sep"].strip()
    if (not sep and len(value) < SPACED_BYTES) or (sep == b"," and not quoted):
        return None
    name = _NAME_BREAK.split(match.string[match.start() : match.start("sep")])[-1]
    if _NO_SECRET_NAME.search(name) or _NUMBERED.match(value) or is_sample(value):
        return None
    if is_uuid(value):
        return "generic" if _STRONG_NAME.search(name) else None
    return likeness(value.rstrip(b".,;)"), is_password=is_password, quoted=quoted)
