"""The ladder: a person lets an agent climb, its outcomes throw it down.

1. Up one rung at a time, by a person's `promotion`, and only where score, merges that count, length
   of the history and a week on the rung below allow it.
2. Level 1 is also open to an agent of which too little is known: a person watches all of it.
3. Down at once, on the day the score falls below what holds a rung; a severe outcome leads to 0.
4. Another model, codex or operator's policy: level 1 at most, until as many outcomes as the first
   rung asks are its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from runner.ledger.score import CAPS, DAY_S, LEAST, History, day_of
from runner.records.level import HIGHEST, Level
from runner.records.trust import FLOOR, SEVERE, Ladder, Promotion

DWELL_DAYS = 7
LEVELS: tuple[Level, ...] = (0, 1, 2, 3)
_WORD = "a person's word: codex-runner trust promote AGENT LEVEL --reason WHY"


@dataclass(frozen=True, slots=True)
class Rung:
    """What leads up to a level, and what holds it."""

    score: int
    n_eff: int
    days: int
    """Since the first outcome."""
    holds: int
    """Below this score it is lost."""


RUNGS: Mapping[Level, Rung] = MappingProxyType(
    {
        0: Rung(FLOOR, 0, 0, FLOOR),
        1: Rung(580, LEAST, 0, 540),
        2: Rung(690, 20, 14, 650),
        3: Rung(760, 45, 30, 720),
    }
)


@dataclass(frozen=True, slots=True)
class _Standing:
    level: Level
    since: int | None
    """The day it last changed."""


def climb(history: History, promotions: Iterable[Promotion], generation: str) -> Ladder:
    """The level of today; `promotions` are verified, and of this agent."""
    standing, looked = _Standing(0, None), history.first_day
    for each in sorted(promotions, key=lambda each: (each.at, each.receipt)):
        day = day_of(each.at)
        if day > history.today:
            continue
        standing = _fallen(history, standing, looked, day)
        looked = day
        if each.level == standing.level + 1 and not any(_missing(history, standing, day)):
            standing = _Standing(each.level, day)
    standing = _fallen(history, standing, looked, history.today)
    capped = _capped(history, standing.level, generation)
    missing = tuple(_missing(history, standing, history.today))
    top = standing.level == HIGHEST
    return Ladder(
        level=min(standing.level, 1) if capped else standing.level,
        since=None if standing.since is None else _at(standing.since),
        next=None if top else LEVELS[standing.level + 1],
        missing=() if top else (*missing, _WORD),
        capped=capped,
    )


def severe_bound(history: History) -> Level | None:
    """What the severe outcomes of today leave: the highest rung that their caps hold."""
    caps = [CAPS[kind][0] for kind in history.caps(history.today) if kind in SEVERE]
    return _held(min(caps)) if caps else None


def _fallen(history: History, standing: _Standing, first: int | None, last: int) -> _Standing:
    """After all days from the first to the last one."""
    if first is None:
        return standing
    for day in range(first, last + 1):
        if standing.level == 0:
            break
        level = _level_on(history, standing.level, day)
        if level < standing.level:
            standing = _Standing(level, day)
    return standing


def _level_on(history: History, level: Level, day: int) -> Level:
    if any(each.kind in SEVERE and day_of(each.at) == day for each in history.failures):
        return 0
    held = _held(history.score(day))
    if held == 0 and _unproven(history, day):
        held = 1
    return min(level, held)


def _held(score: int) -> Level:
    return max(level for level in LEVELS if score >= RUNGS[level].holds)


def _unproven(history: History, day: int) -> bool:
    """Too little is known of it, and nothing severe."""
    severe = any(kind in SEVERE for kind in history.caps(day))
    return history.n_eff(day) < LEAST and not severe


def _missing(history: History, standing: _Standing, day: int) -> Iterator[str]:
    """What the next rung asks and there is not on that day, but for a person's word."""
    if standing.level == HIGHEST:
        yield "there is no higher level"
        return
    if standing.since is not None and day - standing.since < DWELL_DAYS:
        yield f"{DWELL_DAYS} days on level {standing.level}: {day - standing.since} so far"
    if standing.level == 0 and _unproven(history, day):
        return
    rung = RUNGS[LEVELS[standing.level + 1]]
    score, n_eff = history.score(day), history.n_eff(day)
    days = day - (day if history.first_day is None else history.first_day)
    if score < rung.score:
        yield f"a score of {rung.score}: {score} now"
    if n_eff < rung.n_eff:
        yield f"{rung.n_eff} merges that count: {n_eff} now"
    if days < rung.days:
        yield f"{rung.days} days of history: {days} so far"


def _capped(history: History, level: Level, generation: str) -> str:
    mine = sum(
        each.outcome.generation == generation
        for each in history.merges
        if each.day <= history.today and each.reverted is None
    )
    if level <= 1 or mine >= LEAST:
        return ""
    return f"another model, codex or operator's policy: {mine} of {LEAST} merges are its own"


def _at(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY_S, UTC)
