"""The ladder: up by a person, down by what happened."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ledger.ladder import RUNGS, climb, severe_bound
from runner.ledger.score import LEAST, WEIGHTS, History, day_of
from runner.records.level import Level
from runner.records.trust import Ladder, Outcome, OutcomeKind, Promotion
from tests.trust import AGENT, clean, on, outcome

CHEAP = settings(max_examples=15, deadline=None)
GOOD = clean(120)
UP = ((1, 12), (2, 40), (3, 82))
"""Words of a person, and the days on which they hold."""


def word(level: int, day: float) -> Promotion:
    return Promotion.model_validate(
        {"agent": AGENT, "level": level, "at": on(day), "reason": "good", "receipt": f"rc_{day}"}
    )


def ladder(
    past: list[Outcome], words: tuple[tuple[int, float], ...], day: float, generation: str = ""
) -> Ladder:
    """As it was on that day."""
    known = [each for each in past if each.at <= on(day)]
    return climb(History(known, on(day)), [word(*each) for each in words], generation)


@pytest.mark.parametrize(
    ("words", "day", "level"),
    [
        ((), 119, 0),
        (((1, 12),), 119, 1),
        (UP, 119, 3),
        (UP, 74, 2),
        (((2, 40),), 119, 0),
        (((1, 12), (3, 82)), 119, 1),
        (((1, 12), (2, 20)), 119, 1),
        (((1, 34), (2, 40)), 119, 1),
        (((1, 12), (2, 41), (3, 60)), 119, 2),
    ],
    ids=[
        *("nobody", "one", "all", "not yet", "a rung left out", "the second left out"),
        *("too few merges", "no week on the rung", "too low a score"),
    ],
)
def test_up_takes_a_person_and_the_numbers(
    words: tuple[tuple[int, float], ...], day: float, level: int
) -> None:
    assert ladder(GOOD, words, day).level == level


def test_of_whom_too_little_is_known_a_person_may_be_watched_by() -> None:
    """Else nobody could ever begin where trust is enforced."""
    assert ladder([], ((1, 0),), 5).level == 1
    assert ladder(clean(3), ((1, 1), (2, 9)), 20).level == 1
    failed = [outcome("gate_failed", n, f"f{n}") for n in range(4)]
    assert ladder(failed, ((1, 5),), 10).level == 1
    severe = [outcome("secret_hit", 2, "s")]
    assert ladder(severe, ((1, 5),), 10).level == 0


@pytest.mark.parametrize(
    ("kind", "level"), [("tamper", 0), ("escape", 0), ("secret_hit", 0), ("incident", 0)]
)
def test_what_is_severe_leads_to_the_ground_at_once(kind: OutcomeKind, level: int) -> None:
    past = [*GOOD, outcome(kind, 100, "bad")]
    assert ladder(past, UP, 99).level == 3
    fallen = ladder(past, UP, 100)
    assert fallen.level == level and fallen.since is not None and fallen.since <= on(100)
    assert ladder(past, (*UP, (1, 101), (1, 104)), 119).level == 0


def test_down_at_once_up_only_with_a_new_word() -> None:
    bad = [outcome("reverted", 100, f"clean-{90 + n}-0") for n in range(3)]
    past = [*GOOD, *clean(200, first=120), *bad]
    assert ladder(past, UP, 99).level == 3
    assert ladder(past, UP, 100).level == 2
    assert ladder(past, UP, 300).level == 2
    assert ladder(past, (*UP, (3, 299)), 300).level == 3


def test_the_day_of_a_fall_is_told() -> None:
    told = ladder([*GOOD, outcome("escape", 100, "bad")], UP, 119)
    assert told.since is not None and told.since.date() == on(100).date()
    assert told.next == 1 and "a score of 580: 449 now" in told.missing


def test_what_is_missing_is_told() -> None:
    told = ladder(clean(11), ((1, 10),), 10)
    assert told.level == 1 and told.next == 2
    assert [line.partition(":")[0] for line in told.missing] == [
        *("7 days on level 1", "a score of 690", "20 merges that count", "14 days of history"),
        "a person's word",
    ]
    assert ladder(GOOD, UP, 119).missing == ()


def test_another_generation_is_watched_until_it_has_proved_itself() -> None:
    old = [each.model_copy(update={"generation": "old"}) for each in GOOD]
    assert ladder(old, UP, 119, "old").level == 3
    told = ladder(old, UP, 119, "new")
    assert told.level == 1 and f"0 of {LEAST}" in told.capped
    new = [each.model_copy(update={"generation": "new"}) for each in clean(8, first=112)]
    assert ladder([*old, *new], UP, 119, "new").level == 3
    assert ladder([*old, *new[1:]], UP, 119, "new").level == 1


def test_words_of_the_future_do_not_count() -> None:
    assert ladder(GOOD, ((1, 119),), 100).level == 0


@CHEAP
@given(st.lists(st.sampled_from([*WEIGHTS, "merged"]), max_size=25))
def test_nobody_climbs_without_a_person(kinds: list[OutcomeKind]) -> None:
    noise = [outcome(kind, 90 + n, f"n{n}") for n, kind in enumerate(kinds)]
    assert ladder([*GOOD, *noise], (), 125).level == 0


@CHEAP
@given(st.lists(st.sampled_from([*WEIGHTS]), max_size=4), st.integers(80, 118))
def test_bad_things_never_lead_up(kinds: list[OutcomeKind], day: int) -> None:
    noise = [outcome(kind, day, f"n{n}") for n, kind in enumerate(kinds)]
    assert ladder([*GOOD, *noise], UP, 119).level <= ladder(GOOD, UP, 119).level


@settings(max_examples=5, deadline=None)
@given(
    st.lists(
        st.sampled_from([*["merged"] * 8, "gate_failed", "changes_requested", "denied_forbidden"]),
        min_size=100,
        max_size=100,
    )
)
def test_a_noisy_year_does_not_flutter(kinds: list[OutcomeKind]) -> None:
    """Although a person says yes every week, to every level."""
    noise = [
        outcome(kind, 60 + 3 * n, f"n{n}", cluster=str(n % 10)) for n, kind in enumerate(kinds)
    ]
    history = History([*clean(60), *noise], on(365))
    words = [word(level, week) for week in range(0, 365, 7) for level in (1, 2, 3)]
    levels = []
    for week in range(0, 365, 7):
        history.today = day_of(on(week))
        levels.append(climb(history, words, "").level)
    assert sum(one != other for one, other in pairwise(levels)) <= 4


@pytest.mark.parametrize("level", [1, 2, 3])
def test_between_up_and_down_there_is_room(level: Level) -> None:
    assert RUNGS[level].score - RUNGS[level].holds == 40


@pytest.mark.parametrize(
    ("kind", "day", "bound"),
    [
        *(("tamper", 119, 0), ("escape", 119, 0), ("secret_hit", 119, 1), ("incident", 119, 2)),
        *(("reverted", 119, None), ("gate_failed", 119, None)),
        *(("secret_hit", 59, None), ("secret_hit", 60, 1)),
    ],
)
def test_a_severe_outcome_bounds_by_its_cap(
    kind: OutcomeKind, day: int, bound: Level | None
) -> None:
    assert severe_bound(History([*GOOD, outcome(kind, day, "bad")], on(119))) == bound
