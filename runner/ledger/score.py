"""The trust score: a lower bound of how likely an agent's next change is accepted and stays.

`min(300 + 550 * Wilson(S, F), caps)` with z = 1.645. S are merges by somebody else that were not
reverted, F failures by their weight and three to begin with; both fade. Whole numbers throughout,
so that everybody computes the same: amounts in 10^-12, days of 86400 s since 1970.

1. A merge counts once a request, after `SOAK_DAYS`, by its size, less for each one before it in the
   same place within 30 days, and at most 4 a day.
2. A failure counts at most three times a request, each kind by itself; what a forge tells, once.
3. What is severe caps the score while its window lasts, whatever else there is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal
from functools import lru_cache
from math import isqrt
from types import MappingProxyType

from runner.records.evidence import ReceiptId
from runner.records.trust import FLOOR, FORGE, FULL, Factor, Outcome, OutcomeKind, Score, band_of

FORMULA = 1
"""Changes when the same outcomes may make another score."""
UNIT = 10**12
DAY_S = 86_400
SOAK_DAYS = 3
DAY_CAP = 4 * UNIT
CLUSTER_DAYS = 30
GOOD_DAYS, BAD_DAYS = 90, 180
"""Half-lives."""
PRIOR = 3 * UNIT
"""Failures that everybody begins with."""
Z = 1645 * UNIT // 1000
ZZ = Z * Z // UNIT
RANGE = 550
LEAST = 8
"""Fewer merges that count say nothing."""
MOST_A_REQUEST = 3
MOST_RECEIPTS = 50
WEIGHTS: Mapping[OutcomeKind, int] = MappingProxyType(
    {
        "gate_failed": UNIT // 2,
        "changes_requested": UNIT // 2,
        "denied_forbidden": UNIT,
        "human_rejected": 3 * UNIT // 2,
        "closed": 3 * UNIT // 2,
        "reverted": 4 * UNIT,
        "secret_hit": 6 * UNIT,
        "incident": 8 * UNIT,
        "escape": 12 * UNIT,
        "tamper": 12 * UNIT,
    }
)
CAPS: Mapping[OutcomeKind, tuple[int, int]] = MappingProxyType(
    {
        "reverted": (739, 14),
        "incident": (669, 60),
        "secret_hit": (579, 60),
        "escape": (449, 180),
        "tamper": (449, 365),
    }
)
"""Highest score, and for how many days."""
_EXACT = Context(prec=30)
_LN2 = _EXACT.ln(Decimal(2))


def day_of(at: datetime) -> int:
    return int(at.timestamp()) // DAY_S


@lru_cache(maxsize=8192)
def faded(days: int, half_life: int) -> int:
    """What is left of one after so many days."""
    left = _EXACT.exp(_EXACT.divide(_EXACT.multiply(_LN2, -days), half_life))
    return int(_EXACT.multiply(left, UNIT))


@lru_cache(maxsize=8192)
def in_a_day(raw: int) -> int:
    """However much one day brings, less than `DAY_CAP` of it counts."""
    gone = _EXACT.exp(_EXACT.divide(-raw, DAY_CAP))
    return min(raw, int(_EXACT.multiply(DAY_CAP, _EXACT.subtract(1, gone))))


def scored(good: int, bad: int) -> int:
    """300 and more, by the Wilson lower bound; both in `UNIT`."""
    n = good + bad
    root = isqrt((good * bad // n + ZZ // 4) * UNIT)
    lower = good + ZZ // 2 - Z * root // UNIT
    return FLOOR + max(0, RANGE * lower // (n + ZZ))


@dataclass(frozen=True, slots=True)
class Merge:
    """One that counts, or will."""

    outcome: Outcome
    day: int
    """From which on it counts."""
    raw: int
    reverted: int | None
    """Day on which it was taken back."""


@dataclass(frozen=True, slots=True)
class _Sums:
    """S as it shrinks, step by step, and what it is made of."""

    plain: int
    sized: int
    damped: int
    aged: int
    kept: int
    merges: tuple[Merge, ...]


class History:
    """An agent's outcomes, ready to be asked what they said on any day.

    Order and repetition of the outcomes do not matter; what is said of the future is of now.
    """

    def __init__(self, outcomes: Iterable[Outcome], now: datetime) -> None:
        unique: dict[tuple[str, str, str], Outcome] = {}
        for each in sorted((_by(now, each) for each in outcomes), key=_whole):
            unique.setdefault((each.opportunity, each.kind, each.receipt), each)
        ordered = [*unique.values()]
        self.today = day_of(now)
        self.outcomes = tuple(ordered)
        self.merges = tuple(_merges(ordered))
        self.failures = tuple(each for each in reversed(ordered) if each.kind in WEIGHTS)
        """The newest first."""
        self._scores: dict[int, int] = {}
        self.dependent = len(
            {each.opportunity for each in ordered if each.kind == "merged"}
            - {each.outcome.opportunity for each in self.merges}
        )

    @property
    def first_day(self) -> int | None:
        return day_of(self.outcomes[0].at) if self.outcomes else None

    def kept(self, day: int) -> int:
        """S as it was known on that day."""
        days: dict[int, int] = defaultdict(int)
        for each in self.merges:
            if each.day <= day and (each.reverted is None or each.reverted > day):
                days[each.day] += each.raw
        return sum(in_a_day(raw) * faded(day - at, GOOD_DAYS) // UNIT for at, raw in days.items())

    def against(self, day: int) -> dict[OutcomeKind, list[Outcome]]:
        """Failures that count, by kind: known on that day, the newest ones of a request."""
        found: dict[OutcomeKind, list[Outcome]] = {kind: [] for kind in WEIGHTS}
        seen: dict[tuple[str, str], int] = defaultdict(int)
        for each in self.failures:
            if day_of(each.at) > day:
                continue
            seen[each.opportunity, each.kind] += 1
            most = 1 if each.kind in FORGE else MOST_A_REQUEST
            if seen[each.opportunity, each.kind] <= most:
                found[each.kind].append(each)
        return found

    def caps(self, day: int) -> dict[OutcomeKind, list[Outcome]]:
        """What caps the score on that day."""
        found = {
            kind: [e for e in self.failures if e.kind == kind and 0 <= day - day_of(e.at) < days]
            for kind, (_, days) in CAPS.items()
        }
        return {kind: some for kind, some in found.items() if some}

    def score(self, day: int) -> int:
        """As it was on that day."""
        if day not in self._scores:
            self._scores[day] = self._score(day)
        return self._scores[day]

    def _score(self, day: int) -> int:
        bad = PRIOR + sum(_weight(some, day) for some in self.against(day).values())
        most = min((CAPS[kind][0] for kind in self.caps(day)), default=FLOOR + RANGE)
        return min(scored(self.kept(day), bad), most)

    def n_eff(self, day: int) -> int:
        return self.kept(day) // UNIT

    def sums(self, day: int) -> _Sums:
        merges = tuple(each for each in self.merges if each.day <= day)
        days: dict[int, int] = defaultdict(int)
        for each in merges:
            days[each.day] += each.raw
        return _Sums(
            plain=len(merges) * UNIT,
            sized=sum(each.outcome.size * UNIT // FULL for each in merges),
            damped=sum(in_a_day(raw) for raw in days.values()),
            aged=sum(in_a_day(r) * faded(day - at, GOOD_DAYS) // UNIT for at, r in days.items()),
            kept=self.kept(day),
            merges=merges,
        )


def explain(history: History) -> Score:
    """The score and every step to it, in a fixed order: each is what the outcomes behind it change
    of a score that is made of all steps before."""
    day = history.today
    sums, steps, before = history.sums(day), [], FLOOR
    for name, after, behind in _steps(history, sums, day):
        if behind:
            steps.append(_factor(name, after - before, behind))
        before = after
    return Score(
        score=before,
        band=band_of(before),
        state="measured" if sums.kept >= LEAST * UNIT else "insufficient",
        n_eff=sums.kept // UNIT,
        factors=tuple(steps),
        waiting=len(history.merges) - len(sums.merges),
        dependent=history.dependent,
    )


def _steps(history: History, sums: _Sums, day: int) -> Iterator[tuple[str, int, list[Outcome]]]:
    """Name, score after it, outcomes behind it."""
    merged = [each.outcome for each in reversed(sums.merges)]
    small = [each for each in merged if each.size < FULL]
    yield "merged", scored(sums.plain, PRIOR), merged
    yield "small_changes", scored(sums.sized, PRIOR), small
    yield "repetition", scored(sums.damped, PRIOR), merged
    yield "age", scored(sums.aged, PRIOR), merged
    good, bad = sums.aged, PRIOR
    for kind, some in history.against(day).items():
        good = sums.kept if kind == "reverted" else good
        bad += _weight(some, day)
        yield kind, scored(good, bad), some
    value = scored(good, bad)
    for kind, some in history.caps(day).items():
        value = min(value, CAPS[kind][0])
        yield f"cap_{kind}", value, some


def _factor(name: str, delta: int, behind: list[Outcome]) -> Factor:
    receipts: tuple[ReceiptId, ...] = tuple(each.receipt for each in behind[:MOST_RECEIPTS])
    return Factor(name=name, delta=delta, count=len(behind), receipts=receipts)


def _weight(some: list[Outcome], day: int) -> int:
    return sum(WEIGHTS[e.kind] * faded(day - day_of(e.at), BAD_DAYS) // UNIT for e in some)


def _merges(ordered: list[Outcome]) -> Iterator[Merge]:
    """`ordered` by time. One that was reverted still makes the later ones of its place say less:
    taking work back is not to raise a score."""
    reverted: dict[str, int] = {}
    for each in ordered:
        if each.kind == "reverted":
            reverted.setdefault(each.opportunity, day_of(each.at))
    seen: set[str] = set()
    places: dict[str, list[int]] = defaultdict(list)
    for each in ordered:
        if each.kind != "merged" or not each.independent or each.opportunity in seen:
            continue
        seen.add(each.opportunity)
        day = day_of(each.at)
        place = places[each.cluster] = [d for d in places[each.cluster] if day - d < CLUSTER_DAYS]
        raw = _sized(each) * 10 // (10 + len(place))
        place.append(day)
        yield Merge(each, day + SOAK_DAYS, raw, reverted.get(each.opportunity))


def _by(now: datetime, outcome: Outcome) -> Outcome:
    return outcome if outcome.at <= now else outcome.model_copy(update={"at": now})


def _whole(outcome: Outcome) -> tuple[datetime, tuple[str, ...], int, bool]:
    """By time, and two that differ at all have one order."""
    names = (outcome.opportunity, outcome.receipt, outcome.kind, outcome.cluster)
    return outcome.at, (*names, outcome.generation), outcome.size, outcome.independent


def _sized(outcome: Outcome) -> int:
    return outcome.size * UNIT // FULL
