"""Reserve the most a request can cost, settle what upstream counted. All sums are made here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from runner.broker.ask import Ask
from runner.records.usage import Budget, Price, Usage

MIN_OUTPUT_TOKENS = 16
"""The least that upstream takes as `max_output_tokens`."""


class ExhaustedError(Exception):
    """`line` is what ran out, e.g. `output_tokens 500000`."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one response, as upstream counted them."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Grant:
    """One request may be sent. It costs this much until it is settled."""

    ask: Ask
    reserved: Spent
    capped: bool
    """The budget, not the ceiling of one response, sets the output cap."""


class Meter:
    """One lease's sums. Decisions are made in one thread, sums may be read from any."""

    def __init__(
        self,
        budget: Budget,
        price: Price | None,
        ceiling_tokens: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ceiling_tokens`: the most output of one response, whatever is left."""
        self._budget, self._price, self._ceiling, self._clock = budget, price, ceiling_tokens, clock
        self._deadline = clock() + budget.wall_s
        self._lock = Lock()
        self._open: list[Grant] = []
        self._seen: tuple[Ask, int] | None = None
        self._requests = self._refused = self._body = self._sent = self._received = 0
        self._input = self._cached = self._output = 0
        self._exhausted: str | None = None

    def usage(self) -> Usage:
        with self._lock:
            return Usage(
                requests=self._requests,
                refused=self._refused,
                input_tokens=self._input,
                cached_tokens=self._cached,
                output_tokens=self._output,
                sent_bytes=self._sent,
                received_bytes=self._received,
                cost_usd_micros=self._cost(),
                exhausted=self._exhausted,
            )

    def refuse(self) -> None:
        """Counts a request that was answered without upstream."""
        with self._lock:
            self._refused += 1

    def take_body(self, size: int) -> None:
        """Counts a request body of this size. Raises ExhaustedError."""
        with self._lock:
            self._check_time()
            if self._body + size > self._budget.body_bytes:
                self._exhaust("body_bytes")
            self._body += size

    def reserve(self, ask: Ask) -> Grant | None:
        """None = it may fit when an open grant is settled.

        Raises:
            ExhaustedError: now and for every later request.
        """
        with self._lock:
            self._check_time()
            if self._requests >= self._budget.requests:
                self._exhaust("requests")
            if self._received >= self._budget.stream_bytes:
                self._exhaust("stream_bytes")
            tokens_in = self._forecast(ask)
            free_in = self._budget.input_tokens - self._input
            free_in -= sum(grant.reserved.input_tokens for grant in self._open)
            free_out = self._budget.output_tokens - self._output
            free_out -= sum(grant.reserved.output_tokens for grant in self._open)
            if self._open and (tokens_in > free_in or free_out < self._ceiling):
                return None
            if tokens_in > free_in:
                self._exhaust("input_tokens")
            if free_out < MIN_OUTPUT_TOKENS:
                self._exhaust("output_tokens")
            tokens_out = min(free_out, self._ceiling)
            grant = Grant(ask, Spent(tokens_in, 0, tokens_out), free_out < self._ceiling)
            self._open.append(grant)
            self._requests += 1
            return grant

    def sent(self, size: int) -> None:
        with self._lock:
            self._sent += size

    def receive(self, size: int) -> int:
        """Counts bytes of a response; how many of them still fit the budget."""
        with self._lock:
            fit = max(0, min(size, self._budget.stream_bytes - self._received))
            self._received += size
            if fit < size:
                self._exhausted = self._exhausted or self._line("stream_bytes")
            return fit

    def settle(self, grant: Grant, spent: Spent | None, *, cut_short: bool = False) -> None:
        """Replaces the reservation. `spent` None = upstream did not say: it costs all of it.

        `cut_short` = upstream stopped at the output cap.
        """
        with self._lock:
            self._open.remove(grant)
            cost = spent or grant.reserved
            self._input += cost.input_tokens
            self._cached += min(cost.cached_tokens, cost.input_tokens)
            self._output += cost.output_tokens
            if spent and spent.input_tokens:
                self._seen = (grant.ask, spent.input_tokens)
            if cut_short and grant.capped:
                self._exhausted = self._exhausted or self._line("output_tokens")

    def release(self, grant: Grant) -> None:
        """Upstream refused it: the request counts, its tokens do not."""
        self.settle(grant, Spent())

    def expire(self) -> None:
        """The wall clock ran out: what is under way is being cut."""
        with self._lock:
            if self._open:
                self._exhausted = self._exhausted or self._line("wall_s")

    def _forecast(self, ask: Ask) -> int:
        """At most this many input tokens: what the last request's beginning cost, plus bytes."""
        if self._seen is None or self._seen[0].head != ask.head:
            return ask.ceiling()
        seen, tokens = self._seen
        same = 0
        for old, new in zip(seen.items, ask.items, strict=False):
            if old != new:
                break
            same += 1
        return min(ask.ceiling(), tokens + ask.ceiling(same) - ask.ceiling(len(ask.items)))

    def _check_time(self) -> None:
        if self._clock() >= self._deadline:
            self._exhaust("wall_s")
        if self._exhausted:
            raise ExhaustedError(self._exhausted)

    def _exhaust(self, field: str) -> None:
        self._exhausted = self._exhausted or self._line(field)
        raise ExhaustedError(self._exhausted)

    def _line(self, field: str) -> str:
        return f"{field} {getattr(self._budget, field)}"

    def _cost(self) -> int | None:
        if self._price is None:
            return None
        millionths = (
            (self._input - self._cached) * self._price.input_usd_micros
            + self._cached * self._price.cached_usd_micros
            + self._output * self._price.output_usd_micros
        )
        return -(-millionths // 1_000_000)
