"""The trust score: the figures it was designed with, and its laws."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.ledger.score import CAPS, SOAK_DAYS, WEIGHTS, History, day_of, explain
from runner.records.trust import BANDS, CEILING, FLOOR, FULL, SEVERE, Outcome, OutcomeKind, band_of
from tests.trust import clean, on, outcome, scored

TODAY = 200
CHEAP = settings(max_examples=40, deadline=None)
BAD = st.sampled_from(sorted(WEIGHTS))
NAMES = st.integers(0, 11).map("r{}".format)


@st.composite
def outcomes(draw: st.DrawFn, most: int = 14) -> list[Outcome]:
    """A past, of a dozen requests, in three places."""
    rows = draw(
        st.lists(
            st.tuples(
                st.one_of(st.just("merged"), st.just("merged"), BAD),
                st.integers(0, TODAY),
                NAMES,
                st.integers(0, 2),
                st.sampled_from([FULL, FULL, 120]),
                st.sampled_from([True, True, True, False]),
            ),
            max_size=most,
        )
    )
    return [
        outcome(kind, day, name, cluster=str(place), size=size, independent=free)
        for kind, day, name, place, size, free in rows
    ]


@pytest.mark.parametrize(
    ("days", "score"),
    [
        *((0, 300), (1, 326), (3, 406), (5, 471), (10, 574), (20, 663), (30, 703)),
        *((45, 736), (60, 755), (90, 776), (150, 794)),
    ],
)
def test_one_clean_merge_a_day(days: int, score: int) -> None:
    assert scored(clean(days), days - 1).score == score


@pytest.mark.parametrize(("days", "score"), [(10, 706), (25, 770)])
def test_four_clean_merges_a_day(days: int, score: int) -> None:
    assert scored(clean(days, a_day=4), days - 1).score == score


def test_six_hundred_small_merges_in_one_place() -> None:
    assert scored(clean(30, a_day=20, clusters=1, size=FULL // 5), 29).score == 527


@pytest.mark.parametrize(("idle", "score"), [(30, 760), (60, 740), (120, 692), (365, 422)])
def test_who_does_nothing_is_forgotten(idle: int, score: int) -> None:
    assert scored(clean(90), 89 + idle).score == score


@pytest.mark.parametrize(
    ("kind", "score", "clean_days"),
    [
        ("denied_forbidden", 764, 0),
        ("human_rejected", 759, 3),
        ("reverted", 733, 47),
        ("incident", 669, 110),
        ("secret_hit", 579, 79),
        ("escape", 449, 180),
        ("tamper", 449, 365),
    ],
)
def test_one_bad_thing_after_ninety_clean_days(
    kind: OutcomeKind, score: int, clean_days: int
) -> None:
    """`clean_days` lead back to within 15 points."""
    past = [*clean(90), outcome(kind, 89, "bad")]
    assert scored(past, 89).score == score
    history = History([*past, *clean(366, first=90)], on(455))
    again = next(n for n in range(366) if history.score(day_of(on(89 + n))) > 760)
    assert again == clean_days


@CHEAP
@given(outcomes(), st.integers(0, TODAY + 60))
def test_the_factors_sum_exactly_to_the_score(past: list[Outcome], day: int) -> None:
    score = scored(past, day)
    assert FLOOR <= score.score <= CEILING and score.score <= FLOOR + 550
    assert sum(factor.delta for factor in score.factors) == score.score - FLOOR
    assert all(factor.delta <= 0 for factor in score.factors if factor.name != "merged")
    assert all(factor.receipts and factor.count for factor in score.factors)
    assert score.band == band_of(score.score) and BANDS[score.band] <= score.score
    assert len(score.reasons) <= 4 and all(factor.delta < 0 for factor in score.reasons)


@CHEAP
@given(outcomes(), st.integers(0, TODAY + 60))
def test_the_score_of_a_day_is_the_explained_one(past: list[Outcome], day: int) -> None:
    history = History(past, on(day))
    assert history.score(day_of(on(day))) == explain(history).score


@CHEAP
@given(outcomes(), BAD, st.integers(0, TODAY), NAMES)
def test_a_bad_thing_never_raises(
    past: list[Outcome], kind: OutcomeKind, day: int, name: str
) -> None:
    bad = outcome(kind, day, name, receipt="rc_bad")
    assert scored([*past, bad], TODAY).score <= scored(past, TODAY).score


@CHEAP
@given(outcomes(), st.integers(0, 60), st.integers(0, 2), st.sampled_from([FULL, 120, 1]))
def test_one_more_merge_never_lowers(
    past: list[Outcome], later: int, place: int, size: int
) -> None:
    good = outcome("merged", TODAY + later, "good", cluster=str(place), size=size)
    day = TODAY + later + SOAK_DAYS
    assert scored([*past, good], day).score >= scored(past, day).score


@CHEAP
@given(outcomes(), st.integers(0, TODAY))
def test_what_nobody_else_merged_and_what_is_too_young_gain_nothing(
    past: list[Outcome], day: int
) -> None:
    own = [outcome("merged", day, f"own-{n}", independent=False) for n in range(3)]
    young = [outcome("merged", TODAY - SOAK_DAYS + 1, f"young-{n}") for n in range(3)]
    score = scored([*past, *own, *young], TODAY)
    assert score.score == scored(past, TODAY).score
    assert score.waiting >= 3 and score.dependent >= 3


@CHEAP
@given(outcomes(), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(past: list[Outcome], chance: object) -> None:
    shuffled = [*past, *past[::2]]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert scored(shuffled, TODAY) == scored(past, TODAY)


def test_of_two_that_bear_one_receipt_the_same_counts_in_any_order() -> None:
    here, there = (outcome("merged", 0, "r1", cluster=place) for place in "01")
    other = outcome("merged", 0, "r0", cluster="0")
    assert scored([there, other, here], TODAY) == scored([here, there, other], TODAY)


@CHEAP
@given(outcomes(), st.integers(0, TODAY))
def test_a_merge_told_twice_counts_once(past: list[Outcome], day: int) -> None:
    once = outcome("merged", day, "twice", receipt="rc_one")
    again = outcome("merged", day, "twice", receipt="rc_two")
    assert scored([*past, once, again], TODAY).score == scored([*past, once], TODAY).score


@CHEAP
@given(outcomes(), st.integers(1, 400))
def test_waiting_never_raises_what_the_evidence_says(past: list[Outcome], days: int) -> None:
    """But for young merges that begin to count, and caps that end."""
    history = History([each for each in past if each.kind not in CAPS], on(TODAY + SOAK_DAYS))
    today = day_of(on(TODAY + SOAK_DAYS))
    assert history.score(today + days) <= history.score(today)


def test_who_comes_is_at_the_floor() -> None:
    score = scored([], 0)
    assert (score.score, score.band, score.state) == (FLOOR, "untrusted", "insufficient")
    assert score.factors == ()


@CHEAP
@given(outcomes())
def test_a_new_name_never_beats_the_old_one(past: list[Outcome]) -> None:
    assert scored(past, TODAY).score >= scored([], TODAY).score


@CHEAP
@given(st.sampled_from(SEVERE), st.integers(0, 364), st.integers(1, 4))
def test_nothing_makes_up_for_what_is_severe(kind: OutcomeKind, day: int, a_day: int) -> None:
    most, days = CAPS[kind]
    past = [*clean(120, a_day=a_day), outcome(kind, 119, "bad")]
    assert scored(past, 119 + day % days).score <= most


def test_a_day_is_a_day() -> None:
    assert scored(clean(1, a_day=1000, clusters=1000), 0).score < 580


def test_a_request_fails_three_times_at_most() -> None:
    three, nine = (
        [outcome("denied_forbidden", 89, "loud", receipt=f"rc_{n}") for n in range(times)]
        for times in (3, 9)
    )
    assert scored([*clean(90), *nine], 89).score == scored([*clean(90), *three], 89).score


def test_a_forge_that_is_asked_twice_says_it_once() -> None:
    once = [*clean(90), outcome("reverted", 89, "bad")]
    again = outcome("reverted", 89, "bad", receipt="rc_again")
    assert scored([*once, again], 89).score == scored(once, 89).score


def test_what_was_taken_back_is_not_counted() -> None:
    past = [*clean(20), outcome("reverted", 19, "clean-5-0")]
    score = scored(past, 19)
    assert score.score < scored([*clean(20), outcome("reverted", 19, "other")], 19).score
    assert score.n_eff < scored(clean(20), 19).n_eff


def test_a_failure_of_the_future_counts_now() -> None:
    soon = [*clean(90), outcome("reverted", 5000, "bad")]
    assert scored(soon, 89).score == 733
