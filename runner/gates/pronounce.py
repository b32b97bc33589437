"""Whether letters follow each other as in words people say: chance does not."""

from __future__ import annotations

import re
from itertools import pairwise

_FOLLOWERS = (
    "26762351504767060768543342", "74547322750833740665720152", "70537317606632832657522030",
    "74359430832534632564621140", "63675542301657353876253630", "73347731800623710655602150",
    "62338356701657640764632022", "82338000703543821656510150", "55666550002668751577150405",
    "82448422724242754262846242", "62359453720605542375405040", "73358321802723740265541060",
    "85238120703552772264600030", "72677583624425631378551030", "45662441425668560866656312",
    "72338325603723761856512161", "41131111311754311463911111", "73558351704455740576542050",
    "50638426704543663278623140", "72438316800532630765523161", "66646550600768460777010201",
    "81419222800033620123322030", "80357327803527722764204200", "65758504700453482258330440",
    "54646450620666580577045305", "71119113711443631444111144",
)  # fmt: skip
"""How usual a letter is after another one, 0 to 9: a row per letter, a column per follower.

Logarithm of their frequency against chance in the 7,500 words that are most frequent in Python's
standard library; at the thresholds below 0.4 % of these words and 75 to 90 % of random letters are
called unpronounceable.
"""
_LETTERS = re.compile(rb"[A-Za-z]{2,}")
FEWEST = 4
"""Pairs of letters; fewer say nothing."""
FEW, MANY = 4.5, 5.0
"""Mean below which nobody says it: of few pairs, and of more than `ENOUGH`."""
ENOUGH = 6


def unpronounceable(value: bytes) -> bool:
    """`rxqfdv` is, `table` is not; what has too few letters is not either."""
    pairs = [
        int(_FOLLOWERS[first - 97][second - 97])
        for run in _LETTERS.findall(value.lower())
        for first, second in pairwise(run)
    ]
    mean = MANY if len(pairs) > ENOUGH else FEW
    return len(pairs) >= FEWEST and sum(pairs) <= mean * len(pairs)
