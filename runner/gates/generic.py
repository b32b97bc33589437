"""Own secret detector: credentials that no provider's rule describes. Pure `re` on bytes.

Nothing is searched for before a literal that it must contain was found, so ordinary text costs what
looking for a few words costs. No length is too long to be seen: a quantifier without an upper bound
either begins where nothing else of its kind can or never gives back what it took, so time stays
linear. Values are looked at from the outside, never consumed: one may hold the next name and value.
Tiers: `certain` for forms that mean nothing else (private keys, AWS ids, JWTs), `generic` for a
credential's name beside a value that looks random, `weak` where a person may have meant a sample.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from runner.gates import formats
from runner.gates.likeness import Tier, is_sample, is_uuid, likeness
from runner.gates.phrases import BEFORE_BYTES, PHRASES

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
    *(b"key", b"token", b"secret", b"pass", b"cred", b"auth", b"access", b"bearer", b"webhook"),
    *(b"pw", b"psk", b"private"),
)
_ROOTS = (*_NAMES, b"login")
_ROOT = {
    literal: root
    for phrase in PHRASES
    for literal in phrase.literals
    for root in _ROOTS
    if root in literal
}
_ASSIGNED = re.compile(
    rb"""(?ix)
    (?= [\w.-]*? (?P<name>
        key (?!word|board|space|frame) | private (?![a-z]) | token | secret | passw | passphrase
      | pwd | passcode | credential | creds (?![a-z]) | auth (?!or) | access | bearer | webhook
      | (?<![a-z]) (?:pass|pw|psk) (?![a-z]) | (?-i: (?<=[a-z]) (?:Pass|Pw) (?![a-z]) ) ) )
    [\w.-]* (?: \\?["'`\])*] ){0,3}
    (?P<sep> [ \t]* (?: (?:str|string|text) [ \t]+ (?==) )?
        (?: [:?|!+]{0,3} => | [:?|+.!]{0,3} = {1,3}
          | : [ \t]*+ [a-z][\w.<>\[\]?]{0,40}+ [ \t]*+ = (?=[ \t]*+["'`]) | :{1,2}-? | -> | ,
          | (?: \|\| | \?\? ) (?=[ \t]*+["'`]) | (?<=[ \t]) (?:or|is) (?=[ \t])
          | \( (?=[ \t]*+["'`])
          | > (?=\s*+[\w+/=.~-]{8,}+\s*+</) )
        \s*+ | (?P<apart>
        ,?+ \s{1,40}+ (?: (?!value) \w{1,40}+=["']\w{0,40}+["']\s{1,9}+)?+
          ["']?+ (?:value|default) ["']?+ [ \t]*+ [:=] \s*+
        | [ \t]*+ \{ (?: \s{0,40}+ (?:description|type|sensitive) [ \t]*+ = [^\n]{0,200}+ ){0,3}
          \s{0,40}+ default [ \t]*+ = [ \t]*+
        | (?:\s{1,9}+\w{1,40}+=["']\w{0,40}+["'])?+ > \s{0,40}+ <value>
        | </key> \s{0,40}+ <(?:string|data)>
        ) | (?P<pair>
        [ \t]*+ [:=] [ \t]*+ [\[(] [ \t]*+ ["'][^"'\n]{1,64}["'] [ \t]*+ , [ \t]*+ (?=["'])
        ) | [ \t]++ )
    (?: base64: | [a-z]{1,2} (?=["'`]) | [\w.\[\]]{1,24} \( [a-z]{0,2} (?=["'`]) )?
    (?= (?P<quote> \\?["'`] ) (?P<quoted> [^"'`\\\r\n]{5,}+ ) (?P=quote)
      | (?P<bare> [\w+/=.~!@\#$%^&*?|-]{5,512}+ (?!\() ) )
    """
)
_PASSWORD = re.compile(
    rb"(?i)passw|passphrase|passcode|pwd|(?<![a-z])(?:pass|pw|psk)(?![a-z])|secret\Z"
    rb"|(?-i:(?<=[a-z])(?:Pass|Pw)(?![a-z]))"
)
_CALLED = re.compile(
    rb"(?i)(?:(?:\A|[._-]|>)(?:set|with|use)_?\w*"
    rb"|[.>](?:password|passwd|secret|token|(?:api|secret)_?key))\Z"
)
"""What sets the credential it is called with."""
_PAIRED = re.compile(rb"(?i)auth|cred|login")
_DECLARED = re.compile(
    rb"(?:\#[ \t]*define|(?:\A|\n)[ \t]*(?:ENV|ARG|SET|set|%define|%global))[ \t]+\Z"
)
"""Before a name and a value with only a blank between them."""
DECLARATION_BYTES = 32
_CLOSING = b"\\\"'`)]*"
_NAME_BREAK = re.compile(rb"[^\w.\[\]\"'`\\)-]")
_STRONG_NAME = re.compile(rb"(?i)secret|token|pass|pwd|api[_.-]?key|access[_.-]?key")
_NO_SECRET_NAME = re.compile(
    rb"(?i)public|foreign|primary|encrypted|vault(?!_\w)|key[_-]?(?:id|down|up|press|frame)"
    rb"|client[_-]?id|accessor|recv[_-]keys|fingerprint|checksum|hash|digest|sha\d|md5"
    rb"|csrf|xsrf|authenticity|request_?verification|credential_?id|site_?key|publishable"
    rb"|non_?match|(?:\A|_)other_|chars|alphabet|meshing|ids?\Z|keystr|_startswith\Z"
    rb"|_(?:file|path|url|name|dir|len|size|type|count)s?\Z"
)
_NUMBERED = re.compile(rb"[0-9]{3,20}:")
_NAME = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
_IN_NAME = frozenset(_NAME)

_KEY_TYPE = b"kty"
_KEY_PART = re.compile(rb"(?<!\w)[dk][\"']?\s*+:\s*+[\"'](?P<value>[\w-]{22,}+)[\"']")
AROUND_BYTES = 4096
"""How far from its type the private part of a JSON web key may stand."""


def find(text: bytes) -> Iterator[Match]:
    """All matches, rule by rule; spans of different rules may overlap."""
    for rule, start, end in formats.find(text):
        yield Match(rule, "certain", start, end)
    lowered = text.lower()
    places = {root: [*_places(lowered, root)] for root in _ROOTS}
    for known in PHRASES:
        for start in _spoken(lowered, known.literals, places):
            before = known.before is None or known.before.search(
                text, max(0, start - BEFORE_BYTES), start
            )
            match = known.pattern.match(text, start) if before else None
            tier = known.judge(match["value"]) if match else None
            if match and tier:
                yield Match(known.name, tier, *match.span("value"))
    for start, end in _web_keys(text):
        yield Match("jwk", "generic", start, end)
    for start in _beginnings(lowered, places):
        match = _ASSIGNED.match(text, start)
        if match is not None:
            yield from _assigned(match)


def _web_keys(text: bytes) -> set[tuple[int, int]]:
    """The private parts of JSON web keys."""
    return {
        match.span("value")
        for at in _places(text, _KEY_TYPE)
        for match in _KEY_PART.finditer(text, max(0, at - AROUND_BYTES), at + AROUND_BYTES)
        if likeness(match["value"], is_password=False, quoted=True)
    }


def _places(text: bytes, literal: bytes) -> Iterator[int]:
    at = text.find(literal)
    while at >= 0:
        yield at
        at = text.find(literal, at + len(literal))


def _spoken(
    lowered: bytes, literals: Sequence[bytes], places: Mapping[bytes, Sequence[int]]
) -> Iterator[int]:
    """Where the literals stand; one that holds a root is looked for at that root's places only."""
    for literal in literals:
        root = _ROOT.get(literal)
        if root is None:
            yield from _places(lowered, literal)
            continue
        offset = literal.index(root)
        for at in places[root]:
            if at >= offset and lowered.startswith(literal, at - offset):
                yield at - offset


def _beginnings(lowered: bytes, places: Mapping[bytes, Sequence[int]]) -> list[int]:
    """Where the words begin that hold one of `_NAMES`."""
    starts: set[int] = set()
    for at in chain.from_iterable(places[name] for name in _NAMES):
        start, floor = at, max(0, at - NAME_BYTES)
        while start > floor and lowered[start - 1] in _IN_NAME:
            start -= 1
        starts.add(start)
    return _outermost(lowered, sorted(starts))


def _outermost(lowered: bytes, starts: Sequence[int]) -> list[int]:
    """Of those in one word only the first and the last: all of them lead to the same value."""
    kept: list[int] = []
    inside = 0
    for start in starts:
        is_inside = bool(kept) and not lowered[kept[-1] : start].translate(None, _NAME)
        inside = inside + 1 if is_inside else 0
        if inside > 1:
            kept[-1] = start
        else:
            kept.append(start)
    return kept


def _assigned(match: re.Match[bytes]) -> Iterator[Match]:
    group = "quoted" if match["quote"] else "bare"
    sep, value = match["sep"].strip(), match[group]
    if not sep and len(value) < SPACED_BYTES and not _is_declared(match):
        return
    name = _NAME_BREAK.split(match.string[match.start() : match.start("sep")])[-1].rstrip(_CLOSING)
    if not _is_assignment(match, name, sep):
        return
    is_password = match["pair"] is not None or _PASSWORD.search(name) is not None
    tier = _assigned_tier(name, value, is_password=is_password, quoted=group == "quoted")
    if tier is not None:
        yield Match("password" if is_password else "credential", tier, *match.span(group))


def _is_declared(match: re.Match[bytes]) -> bool:
    before = max(0, match.start() - DECLARATION_BYTES)
    return _DECLARED.search(match.string, before, match.start()) is not None


def _is_assignment(match: re.Match[bytes], name: bytes, sep: bytes) -> bool:
    """By what stands between the name and the value."""
    if match["pair"]:
        return _PAIRED.search(name) is not None
    if sep == b",":  # two arguments or a pair; other names with a comma stand in a list
        is_constant = name.isupper() or match.string[match.start("sep") - 1] in b"\"'`"
        return match["quote"] is not None and is_constant and b"\n" not in match["sep"]
    return sep != b"(" or _CALLED.search(name) is not None


def _assigned_tier(name: bytes, value: bytes, *, is_password: bool, quoted: bool) -> Tier | None:
    if _NO_SECRET_NAME.search(name) or _NUMBERED.match(value) or is_sample(value):
        return None
    if is_uuid(value):
        return "generic" if _STRONG_NAME.search(name) else None
    return likeness(value.rstrip(b".,;)"), is_password=is_password, quoted=quoted)
