"""Which version is older, and whether a requirement lets one in. None = nobody can tell."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

Key = tuple[tuple[int, ...], tuple[tuple[int, int, str], ...]]
"""Numbers, and what comes after them; a release sorts after its previews."""
_SEMVER = re.compile(r"v?=?\s*(\d{1,18}(?:\.\d{1,18}){0,4})(?:[-.]?([0-9A-Za-z.-]*))?(?:\+.*)?\Z")
_PART = re.compile(r"\d{1,18}|[A-Za-z]+")
_FINAL = frozenset({"final", "ga", "release"})
_COMPARATOR = re.compile(r"(~>|>=|<=|!=|==|\^|~|>|<|=)?\s*(v?[0-9xX*][^\s,|]*)")
_WILD = re.compile(r"v?(\d+)?(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(.*)")
_MOST_CHARS = 200


@lru_cache(maxsize=100_000)
def key(ecosystem: str, version: str) -> Version | Key | None:
    """What versions of one ecosystem are ordered by."""
    if len(version) > _MOST_CHARS:
        return None
    if ecosystem == "PyPI":
        try:
            return Version(version)
        except InvalidVersion:
            return None
    return _key(version)


def _key(version: str) -> Key | None:
    match = _SEMVER.match(version.strip())
    if match is None:
        return None
    numbers = tuple(map(int, match[1].split(".")))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]
    rest = [part for part in _PART.findall(match[2] or "") if part.lower() not in _FINAL]
    preview = tuple((0, int(p), "") if p.isdigit() else (1, 0, p.lower()) for p in rest)
    return numbers, preview or ((2, 0, ""),)


def is_before(ecosystem: str, one: str, other: str) -> bool | None:
    first, second = key(ecosystem, one), key(ecosystem, other)
    if isinstance(first, Version) and isinstance(second, Version):
        return first < second
    if isinstance(first, tuple) and isinstance(second, tuple):
        return first < second
    return None


def satisfies(ecosystem: str, version: str, requirement: str) -> bool | None:
    """`1.2.3` and `^1.0`: True. Of Go, whose requirements are least versions, and of ecosystems
    without a lockfile here: None."""
    if len(requirement) > _MOST_CHARS * 5:
        return None
    judge = _JUDGES.get(ecosystem)
    return judge(version, requirement.strip()) if judge is not None else None


def _python(version: str, requirement: str) -> bool | None:
    """PEP 440; Poetry's `^` and `~` are those of semantic versions."""
    if requirement in {"", "*"}:
        return True
    if re.match(r"[\^~](?!=)|\d", requirement):
        return _ranges(version, requirement, "=")
    try:
        return SpecifierSet(requirement).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def _npm(version: str, requirement: str) -> bool | None:
    return _ranges(version, requirement.removeprefix("npm:"), "=")


def _cargo(version: str, requirement: str) -> bool | None:
    return _ranges(version, requirement, "^")


def _ranges(version: str, requirement: str, default: str) -> bool | None:
    """`||` between sets of comparators that must all hold."""
    verdicts = [_range(version, part.strip(), default) for part in re.split(r"\|\|?", requirement)]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _range(version: str, requirement: str, default: str) -> bool | None:
    if requirement in {"", "*", "x", "X"}:
        return True
    if match := re.fullmatch(r"(\S+)\s+-\s+(\S+)", requirement):
        requirement = f">={match[1]} <={match[2]}"
    rest = _COMPARATOR.sub("", requirement)
    if rest.strip(" ,"):
        return None
    bounds = _COMPARATOR.findall(requirement)
    verdicts = [_comparator(version, sign or default, bound) for sign, bound in bounds]
    return None if None in verdicts else all(verdicts)


def _comparator(version: str, sign: str, bound: str) -> bool | None:
    found = _key(version)
    match = _WILD.fullmatch(bound)
    if found is None or match is None:
        return None
    given = [int(part) for part in match.groups()[:3] if part and part.isdigit()]
    whole = len(given) == 3
    least = _key(bound) if whole else _key(".".join(map(str, given or [0])))
    if least is None:
        return None
    if sign in {"=", "=="} and whole:
        return found == least
    if sign == "!=":
        return found != least
    after = least if whole else _key(_next(given, len(given)))  # of `>1` and `<=1`: 2
    match sign:
        case ">=":
            return found >= least
        case "<":
            return found < least
        case ">":
            return found > least if whole else after is not None and found >= after
        case "<=":
            return found <= least if whole else after is not None and found < after
    end = _key(_next(given, _fixed(sign, given)) + "-0") if given else None
    return found >= least and (end is None or found < end)


def _fixed(sign: str, given: list[int]) -> int:
    """How many numbers may not change."""
    if sign == "^":
        return next((at + 1 for at, number in enumerate(given) if number), len(given))
    if sign == "~":
        return min(len(given), 2)
    if sign == "~>":
        return max(len(given) - 1, 1)
    return len(given)


def _next(given: list[int], fixed: int) -> str:
    """The least version in which one of the first `fixed` numbers is larger."""
    kept = given[:fixed]
    return ".".join(map(str, [*kept[:-1], kept[-1] + 1] if kept else [1]))


_JUDGES: dict[str, Callable[[str, str], bool | None]] = {
    "PyPI": _python,
    "npm": _npm,
    "crates.io": _cargo,
    "Packagist": _npm,
    "RubyGems": _npm,
}
