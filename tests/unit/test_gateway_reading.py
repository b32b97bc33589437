"""Bodies: whatever comes is a record or malformed, and means one thing only."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gateway.pace import MOST_CALLERS, Pace
from runner.gateway.reading import MalformedError, read
from runner.records.decision import Request
from tests.gates import asking

NAMES = st.sampled_from([*asking(), "tenant_id", "proposed_plan", "other"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.binary())
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read(Request, body)


@given(st.dictionaries(NAMES, VALUES))
def test_any_object_is_read_as_it_is_or_malformed(more: dict[str, object]) -> None:
    said = {**asking(), **more}
    try:
        found = read(Request, json.dumps(said).encode())
    except MalformedError:
        return
    kept = found.model_dump()
    assert {name: kept[name] for name in said} == said


@given(NAMES)
def test_a_key_that_comes_twice_is_malformed(name: str) -> None:
    once = json.dumps(asking())[:-1]
    with pytest.raises(MalformedError):
        read(Request, f'{once}, "{name}": "", "{name}": ""}}'.encode())


def test_a_message_repeats_nothing_that_was_sent() -> None:
    secret = "hunter2-" * 40
    for body in (asking(code=[secret]), asking(tools=secret), {secret: 1}):
        with pytest.raises(MalformedError) as found:
            read(Request, json.dumps(body).encode())
        assert len(str(found.value)) <= 200


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=40))
def test_nobody_gets_more_than_burst_and_rate(waits: list[float]) -> None:
    now = 0.0
    pace = Pace(per_s=2, burst=5, now=lambda: now)
    allowed = 0
    for wait in waits:
        now += wait
        allowed += pace.take("a")
    assert allowed <= 5 + 2 * now + 1e-6


def test_callers_have_buckets_of_their_own_and_not_too_many() -> None:
    pace = Pace(per_s=0, burst=1)
    assert pace.take("a") and not pace.take("a")
    assert pace.take("b")
    for number in range(MOST_CALLERS):
        pace.take(str(number))
    assert pace.take("a")  # forgotten: room for others
