"""Whether the score foretells anything: each prediction is made before its outcome is known."""

from __future__ import annotations

from collections import defaultdict

from runner.ledger.score import RANGE, History, day_of
from runner.records.trust import BANDS, FLOOR, FULL, Band, Calibration, Reliability, band_of

LEAST_OUTCOMES = 30
LEAST_IN_A_BAND = 5
"""Fewer do not speak for a band."""


def calibrate(history: History) -> Calibration:
    """Over all requests that were decided: merged by somebody else and not taken back, or not."""
    trials: dict[Band, list[tuple[int, int]]] = defaultdict(list)
    for day, came in _trials(history):
        score = history.score(day - 1)
        foretold = FULL * (score - FLOOR) // RANGE
        trials[band_of(score)].append((foretold, came))
    bands = tuple(_reliability(band, trials[band]) for band in BANDS if trials[band])
    n = sum(each.n for each in bands)
    why = _insufficient(bands, n)
    return Calibration(
        state="insufficient" if why else "measured",
        why=why,
        n=n,
        brier=sum(each.brier * each.n for each in bands) // n if n else 0,
        bands=bands,
    )


def _trials(history: History) -> list[tuple[int, int]]:
    """Day of the first word on each request, and what became of it in the end: 1000 or 0."""
    kept = {each.outcome.opportunity for each in history.merges if each.reverted is None}
    waiting = {each.outcome.opportunity for each in history.merges if each.day > history.today}
    mine = {each.outcome.opportunity for each in history.merges}
    days: dict[str, int] = {}
    for each in history.outcomes:
        if each.opportunity in waiting or (each.kind == "merged" and each.opportunity not in mine):
            continue
        days.setdefault(each.opportunity, day_of(each.at))
    return [(day, FULL if name in kept else 0) for name, day in days.items()]


def _reliability(band: Band, trials: list[tuple[int, int]]) -> Reliability:
    n = len(trials)
    return Reliability(
        band=band,
        n=n,
        predicted=sum(foretold for foretold, _ in trials) // n,
        observed=sum(came for _, came in trials) // n,
        brier=sum((foretold - came) ** 2 for foretold, came in trials) // (n * FULL),
    )


def _insufficient(bands: tuple[Reliability, ...], n: int) -> str:
    if n < LEAST_OUTCOMES:
        return f"{n} outcomes, {LEAST_OUTCOMES} are needed"
    seen = [each.observed for each in bands if each.n >= LEAST_IN_A_BAND]
    if len(seen) < 2:
        return "all outcomes are of one band: nothing is told apart"
    if seen != sorted(seen) or seen[0] == seen[-1]:
        return "higher bands did not do better than lower ones"
    return ""
