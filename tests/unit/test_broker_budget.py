"""No order of requests and ends spends more than the budget."""

from __future__ import annotations

from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.broker.ask import Ask
from runner.broker.budget import MIB, Grant, Meter
from runner.broker.spent import ExhaustedError, Spent
from runner.records.usage import Budget, Price

CEILING = 1000


def make(price: Price | None = None, clock: float = 0.0, **lines: int) -> Meter:
    plenty = {"requests": 100, "input_tokens": 10**6, "output_tokens": 10**6, "wall_s": 60}
    return Meter(Budget(**{**plenty, **lines}), "gpt-5.5", price, CEILING, clock=lambda: clock)


def ask(*sizes: int, head: bytes = b"{}") -> Ask:
    items = tuple(b"%d" % size * size for size in sizes)
    return Ask(head, items, tuple(map(len, items)))


def granted(meter: Meter, wanted: Ask | None = None) -> Grant:
    grant = meter.reserve(wanted or ask(1))
    assert grant is not None
    return grant


def exhausted(meter: Meter, wanted: Ask | None = None) -> str:
    with pytest.raises(ExhaustedError) as caught:
        meter.reserve(wanted or ask(1))
    assert meter.usage().exhausted == caught.value.line
    return caught.value.line


def test_usage_is_what_upstream_counted() -> None:
    meter = make(Price(input_usd_micros=2_000_000, cached_usd_micros=1, output_usd_micros=7))
    meter.settle(granted(meter), Spent(100, 40, 20))
    usage = meter.usage()
    assert (usage.requests, usage.input_tokens, usage.cached_tokens) == (1, 100, 40)
    assert usage.output_tokens == 20
    assert usage.cost_usd_micros == 60 * 2 + 1  # rounded up
    assert make().usage().cost_usd_micros is None


def test_what_upstream_did_not_count_costs_the_reservation() -> None:
    meter = make()
    grant = granted(meter)
    meter.settle(grant, None)
    assert meter.usage().output_tokens == CEILING
    assert meter.usage().input_tokens == grant.ask.ceiling() > 0


def test_what_upstream_refused_costs_a_request_only() -> None:
    meter = make(requests=1)
    meter.release(granted(meter))
    assert (meter.usage().requests, meter.usage().input_tokens, meter.usage().output_tokens) == (
        1,
        0,
        0,
    )
    assert exhausted(meter) == "requests 1"


def test_the_conversation_is_over_when_a_completed_response_asks_for_nothing() -> None:
    meter = make()
    seen = [meter.usage()]

    def ends(calls: int | None) -> None:
        grant = granted(meter)
        seen.append(meter.usage())
        meter.settle(grant, Spent(1, 0, 1), calls=calls)
        seen.append(meter.usage())

    for calls in (2, 0, None, 0):
        ends(calls)
    meter.release(granted(meter))
    seen.append(meter.usage())
    assert [usage.unfinished for usage in seen] == [False, *[True] * 3, False] + [True] * 3 + [
        False,
        True,
    ]
    assert [(usage.completed, usage.tool_calls) for usage in seen[2::2]] == [
        (1, 2),
        (2, 2),
        (2, 2),
        (3, 2),
    ]


def test_every_line_runs_out() -> None:
    assert exhausted(make(requests=0)) == "requests 0"
    assert exhausted(make(input_tokens=50)) == "input_tokens 50"
    assert exhausted(make(output_tokens=15)) == "output_tokens 15"
    assert exhausted(make(wall_s=0)) == "wall_s 0"
    assert exhausted(make(tool_calls=0)) == "tool_calls 0"
    meter = make(tool_calls=5)
    meter.settle(granted(meter), Spent(1, 0, 1), calls=4)
    assert meter.usage().notes == ("80 % of tool_calls is spent: 4 of 5",)
    meter.settle(granted(meter), Spent(1, 0, 1), calls=1)
    assert exhausted(meter) == "tool_calls 5"
    meter = make(stream_bytes=10)
    assert [meter.receive(8), meter.receive(8), meter.receive(8)] == [8, 2, 0]
    assert exhausted(meter) == "stream_bytes 10"


def test_a_conversation_has_an_end() -> None:
    meter = make(history_items=10)
    meter.settle(granted(meter, ask(*[1] * 7)), Spent(1, 0, 1))
    assert meter.usage().notes == ()
    meter.settle(granted(meter, ask(*[1] * 8)), Spent(1, 0, 1))
    assert meter.usage().notes == ("80 % of history_items is spent: 8 of 10",)
    meter.settle(granted(meter, ask(1)), Spent(1, 0, 1))
    assert meter.usage().notes, "the longest one counts, whatever came after it"
    assert exhausted(meter, ask(*[1] * 11)) == "history_items 10"
    assert exhausted(meter, ask(1)) == "history_items 10", "it is for good"

    meter = make(history_mib=5)
    meter.take_body(4 * MIB)
    assert meter.usage().notes == ("80 % of history_mib is spent: 4 of 5",)
    meter.take_body(5 * MIB)
    with pytest.raises(ExhaustedError, match="history_mib 5"):
        meter.take_body(5 * MIB + 1)
    with pytest.raises(ExhaustedError, match="history_mib 5"):
        meter.take_body(1)

    meter = make(sent_mib=10)
    meter.take_body(8 * MIB)
    assert meter.usage().notes == (
        "100 % of history_mib is spent: 8 of 8",
        "80 % of sent_mib is spent: 8 of 10",
    )
    meter.take_body(2 * MIB)
    with pytest.raises(ExhaustedError, match="sent_mib 10"):
        meter.take_body(1)
    with pytest.raises(ExhaustedError, match="sent_mib 0"):
        make(sent_mib=0).take_body(1)


def test_exhausted_is_for_good() -> None:
    meter = make(input_tokens=500)
    assert exhausted(meter, ask(600)) == "input_tokens 500"
    assert exhausted(meter, ask(1)) == "input_tokens 500"


def test_the_last_output_is_capped_by_the_budget() -> None:
    meter = make(output_tokens=1500)
    meter.settle(granted(meter), Spent(1, 0, 1000), cut_short=True)
    assert meter.usage().exhausted is None  # its own ceiling stopped it, not the budget
    grant = granted(meter)
    assert grant.reserved.output_tokens == 500
    meter.settle(grant, Spent(1, 0, 500), cut_short=True)
    assert meter.usage().exhausted == "output_tokens 1500"


def test_near_the_limit_requests_wait_for_each_other() -> None:
    meter = make(output_tokens=1500)
    first = granted(meter)
    assert meter.reserve(ask(1)) is None
    meter.settle(first, Spent(1, 0, 1))
    assert granted(meter).reserved.output_tokens == CEILING


def test_the_wall_clock_only_cuts_what_is_under_way() -> None:
    meter = make()
    meter.expire()
    assert meter.usage().exhausted is None
    granted(meter)
    meter.expire()
    assert meter.usage().exhausted == "wall_s 60"


def test_a_known_beginning_is_reserved_at_what_it_cost() -> None:
    meter = make()
    meter.settle(granted(meter, ask(5000, 5000)), Spent(300, 0, 1))
    assert granted(meter, ask(5000, 5000, 7)).reserved.input_tokens == 300 + 7
    assert granted(meter, ask(5000, 7)).reserved.input_tokens == 300 + 7
    assert granted(meter, ask(5000, 5000, 7, head=b"[]")).reserved.input_tokens > 10_000


class Upstream:
    """Counts as it likes, but never more than it was given."""

    def __init__(self) -> None:
        self.requests = self.input = self.output = 0

    def answer(self, grant: Grant, share: float) -> Spent:
        spent = Spent(
            int(grant.reserved.input_tokens * share), 0, int(grant.reserved.output_tokens * share)
        )
        self.requests += 1
        self.input += spent.input_tokens
        self.output += spent.output_tokens
        return spent


@given(
    st.integers(0, 20),
    st.integers(0, 5000),
    st.integers(0, 5000),
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from("cud"), st.floats(0, 1)), max_size=60),
)
def test_no_sequence_spends_more_than_the_budget(
    requests: int, tokens_in: int, tokens_out: int, steps: list[tuple[int, str, float]]
) -> None:
    meter = make(requests=requests, input_tokens=tokens_in, output_tokens=tokens_out)
    upstream, under_way = Upstream(), list[Grant]()
    for size, end, share in steps:
        try:
            grant = meter.reserve(ask(size))
        except ExhaustedError:
            grant = None
        if grant is not None:
            under_way.append(grant)
        if under_way and size % 2:
            grant = under_way.pop(size % len(under_way))
            spent = upstream.answer(grant, share)
            meter.settle(grant, {"c": spent, "u": None, "d": spent}[end])
    for grant in under_way:
        upstream.answer(grant, 1.0)
        meter.settle(grant, None)
    usage = meter.usage()
    assert upstream.requests == usage.requests <= requests
    assert upstream.input <= usage.input_tokens <= tokens_in
    assert upstream.output <= usage.output_tokens <= tokens_out


def test_threads_never_get_more_grants_than_there_are() -> None:
    meter = make(requests=50)
    grants: list[Grant] = []

    def spend() -> None:
        for _ in range(20):
            try:
                grant = meter.reserve(ask(1))
            except ExhaustedError:
                return
            if grant is not None:
                grants.append(grant)
                meter.settle(grant, Spent(1, 0, 1))

    threads = [Thread(target=spend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(grants) == meter.usage().requests == 50
