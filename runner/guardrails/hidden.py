"""What a person does not see, or sees otherwise than a program does.

Strong: bidi embeddings, overrides and isolates; tag characters outside of flags; runs of variation
selectors or zero-width characters, which carry data; escape sequences. Weak, so only ever a
warning: everything else that is invisible, and words of mixed scripts.
Emoji sequences, flags, joiners inside words of scripts that need them and a leading byte order mark
are ordinary text. https://trojansource.codes (read 2026-11)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from runner.guardrails.hit import Hit

KIND = "hidden-unicode"
_STRONG = re.compile(
    "(?P<bidi>[\u202a-\u202e\u2066-\u2069]+)"
    "|(?P<flag>\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)"
    "|(?P<tags>[\U000e0000-\U000e007f]+)"
    "|(?P<selectors>[\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d]{2,})"
    "|(?P<run>[\u200b-\u200f\u2060-\u2064\ufeff\u180e]{4,})"
    "|(?P<escapes>[\x1b\x08\x7f\x9b\x90\x9d]+)"
)
_WEAK = re.compile(
    "[\x00-\x07\x0b\x0e-\x1a\x1c-\x1f\x80-\x8f\x91-\x9a\x9c\x9e\x9f\u00ad\u034f\u061c\u115f\u1160"
    "\u17b4\u17b5\u180e\u200b-\u200f\u2028\u2029\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001bca0-\U0001bca3\ue000-\uf8ff\U000f0000-\U0010ffff\U000e0100-\U000e01ef]"
    "|\r(?!\n)"
)
_NAMES = {
    "bidi": "reorders the text that people see",
    "tags": "invisible tag characters, which can spell out text",
    "selectors": "a run of variation selectors, which can carry data",
    "run": "a run of zero-width characters, which can carry data",
    "escapes": "control characters that a terminal obeys",
}
_LOOKALIKES = frozenset("аеорсухіјѕһԁԛԝѵӏүАВЕКМНОРСТУХІЈЅԌΑΒΕΖΗΙΚΜΝΟΡΤΥΧονρυχ")
_WORD = re.compile(r"[^\W\d_]{2,64}")


def find(text: str) -> Iterator[Hit]:
    """Strong ones, then weak ones: one hit for each run or character."""
    if text.isascii() and text.replace("\n", "").replace("\t", "").isprintable():
        return
    for match in _STRONG.finditer(text):
        if match.lastgroup not in {None, "flag"}:
            yield _hit(match, _NAMES[str(match.lastgroup)])
    for match in _WEAK.finditer(text):
        if not _ordinary(text, match.start()):
            yield _hit(match, "cannot be seen", weak=True)
    yield from _mixed(text)


def _mixed(text: str) -> Iterator[Hit]:
    """`аdmin` with a Cyrillic first letter."""
    if not _LOOKALIKES.isdisjoint(text):
        for word in _WORD.finditer(text):
            if not _LOOKALIKES.isdisjoint(word[0]) and re.search("[A-Za-z]", word[0]):
                yield _hit(word, "a word of letters that only look alike", weak=True)


def _ordinary(text: str, at: int) -> bool:
    """A joiner or mark where a script or an emoji wants it; a byte order mark at the beginning."""
    char = text[at]
    if char == "\ufeff":
        return at == 0
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    if char in "\u200c\u200d":
        return bool(before and after) and not (before.isascii() or after.isascii())
    if char in "\u200e\u200f\u061c":
        near = text[max(0, at - 8) : at + 9]
        return any(unicodedata.bidirectional(each) in {"R", "AL"} for each in near if each != char)
    if "\U000e0100" <= char <= "\U000e01ef":
        return bool(before) and unicodedata.name(before, "").startswith("CJK")
    return False


def _hit(match: re.Match[str], what: str, *, weak: bool = False) -> Hit:
    points = [f"U+{ord(char):04X}" for char in match[0] if not char.isascii() or char < " "]
    more = "..." if len(points) > 4 else ""
    told = f"{what} ({' '.join(points[:4])}{more})"
    return Hit(match.start(), match.end(), KIND, told, mask=None if weak else "\ufffd", weak=weak)
