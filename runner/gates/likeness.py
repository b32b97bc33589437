"""How much a value in the place of a credential looks like one."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Literal

from runner.gates.pronounce import unpronounceable

Tier = Literal["certain", "generic", "weak"]

SURE_BYTES = 20
"""From here on letters with digits are nearly never a sample."""
LONG_BYTES = 16
WORD_BYTES = 15
"""Letters alone need this many, and to be unpronounceable."""
DIGITS_BYTES = 24
TANGLED = 0.4
SIGNS = 6
"""Kinds of punctuation in a value that only a generator of passwords makes."""

_PLACEHOLDER = re.compile(
    rb"(?i)example|sample|change.?me|placeholder|redact|dummy|your|xxx|\*\*\*|\.\.\.|insert|todo|lorem"
    rb"|password|secret|foo|localhost|undefined|environ|getenv|qwerty|deadbeef|(.)\1{4}"
    rb"|[_-]abcdefghijklmnopqrstuvwxyz|ascii|utf-?8|extra|sandbox|sdbx|short|hello|invalid|wrong|\bSB-|SBX|fake|\.\.\Z"
    rb"|letmein|hunter2|test[_-]?pass|not[_-]a[_-]real"
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
_SIGN = re.compile(rb"[!-/:-@\[-^`{-~]")
_MANIFOLD = re.compile(rb"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).*[!@#%^&*]")
"""What rules for passwords ask for."""
_PATTERN = re.compile(
    rb"\{[A-Za-z_][\w.]+[\[!:}]|\{\w+\.\w+\(|A-Z|a-z|0-9|\(\?|\.[*+]|\A(?:arn|urn):"
)
"""A template, an expression for many texts or a name of a resource, however many signs it has."""
_LETTER = re.compile(rb"[A-Za-z]")
_DIGIT = re.compile(rb"[0-9]")


def likeness(value: bytes, *, is_password: bool, quoted: bool) -> Tier | None:
    """`is_password`: its name says so, shorter values count. None = it looks like no credential."""
    if is_sample(value):
        return None
    if quoted and _is_punctuated(value):
        return "generic"
    if _SYNTAX.search(value) or is_uuid(value) or (_DOTTED.match(value) and not _is_tangled(value)):
        return None
    if not _DIGIT.search(value):
        enough = 5 if is_password else WORD_BYTES
        is_random = unpronounceable(value) or (value.isalpha() and _mixed(value) >= TANGLED)
        return "generic" if len(value) >= enough and is_random else None
    if not _LETTER.search(value):
        return "generic" if len(value) >= DIGITS_BYTES else None
    if _is_identifier(value) and not unpronounceable(value):
        return None
    return _mixture(value, is_password=is_password, quoted=quoted)


def _mixture(value: bytes, *, is_password: bool, quoted: bool) -> Tier | None:
    """Of letters with digits."""
    if len(value) >= SURE_BYTES:
        return "generic"
    mixed = _mixed(value)
    random = entropy(value) >= 3.0 and mixed >= 0.3
    if (random or unpronounceable(value)) and len(value) >= LONG_BYTES:
        return "generic"
    if random and quoted and mixed >= TANGLED and len(value) >= 12:
        return "generic"
    if is_password and len(value) >= 6 and (mixed >= 0.4 or unpronounceable(value)):
        return "generic"
    if is_password and len(value) >= 8:
        return "generic" if quoted or _MANIFOLD.match(value) else "weak"
    return "weak" if random and len(value) >= 10 else None


def _mixed(value: bytes) -> float:
    """How often the kind of its characters changes: words and numbers 0.2, base64 0.6."""
    return len(_RUN.findall(value)) / len(value)


def _is_tangled(value: bytes) -> bool:
    """Base64 with a slash, and no path."""
    return (
        len(value) >= DIGITS_BYTES and _DIGIT.search(value) is not None and _mixed(value) >= TANGLED
    )


def url_likeness(value: bytes) -> Tier | None:
    """Between `user:` and `@host` nearly everything is a password, samples excepted."""
    if len(value) < 5 or is_sample(value) or _SYNTAX.search(value):
        return None
    mixed = _DIGIT.search(value) and _LETTER.search(value)
    return "generic" if mixed or unpronounceable(value) else "weak"


def is_sample(value: bytes) -> bool:
    """The value says itself that it is none."""
    return _PLACEHOLDER.search(value) is not None


def is_uuid(value: bytes) -> bool:
    return _UUID.match(value) is not None


def _is_punctuated(value: bytes) -> bool:
    """Full of all kinds of signs, and no address or sentence."""
    if len(value) < LONG_BYTES or any(sign in value for sign in (b" ", b"://", b",", b"=")):
        return False
    return len({*_SIGN.findall(value)}) >= SIGNS and not _PATTERN.search(value)


def _is_identifier(value: bytes) -> bool:
    """Words and small numbers, e.g. `0002_alter_name`, `key2=value2`."""
    pieces = _PIECES.split(value)
    wordy = len(pieces) > 1 and _WORD.search(value) is not None
    return wordy and all(_PIECE.match(piece) for piece in pieces)


def entropy(value: bytes) -> float:
    """Shannon entropy, bits per byte."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
