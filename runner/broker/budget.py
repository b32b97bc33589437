"""Reserve the most a request can cost, settle what upstream counted. All sums are made here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from runner.broker.account import MIN_OUTPUT_TOKENS, Account, Hold
from runner.broker.ask import Ask
from runner.broker.spent import ExhaustedError, Spent, note
from runner.records.usage import Budget, Price, Usage

MIB = 1024 * 1024
MAX_REFUSED = 1000
"""Requests without an answer from upstream; codex gives up at the first."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One request may be sent. It costs this much until it is settled."""

    ask: Ask
    reserved: Spent
    capped: str | None
    """The budget line that sets the output cap; None = the ceiling of one response does."""
    hold: Hold | None = None
    """The same in the account that other runs share."""


class Meter:
    """One lease's sums. Decisions are made in one thread, sums may be read from any."""

    def __init__(
        self,
        budget: Budget,
        model: str,
        price: Price | None,
        ceiling_tokens: int,
        account: Account | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ceiling_tokens`: the most output of one response, whatever is left."""
        self._model, self._account = model, account
        self._budget, self._price, self._ceiling, self._clock = budget, price, ceiling_tokens, clock
        self._deadline = clock() + budget.wall_s
        self._lock = Lock()
        self._open: list[Grant] = []
        self._seen: tuple[Ask, int] | None = None
        self._requests = self._refused = self._body = self._sent = self._received = 0
        self._input = self._cached = self._output = 0
        self._completed = self._calls = 0
        self._items = self._largest = 0
        self._unfinished = False
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
                completed=self._completed,
                tool_calls=self._calls,
                unfinished=self._unfinished or bool(self._open),
                exhausted=self._exhausted,
                notes=self._notes(),
            )

    def refuse(self) -> None:
        """Counts a request that got nothing from upstream."""
        with self._lock:
            self._refused += 1
            if self._refused >= MAX_REFUSED:
                self._exhausted = self._exhausted or f"refused {MAX_REFUSED}"

    def take_body(self, size: int) -> None:
        """Counts a request body of this size. Raises ExhaustedError."""
        with self._lock:
            self._check_time()
            if size > self._budget.history_mib * MIB:
                self._exhaust("history_mib")
            if self._body + size > self._budget.sent_mib * MIB:
                self._exhaust("sent_mib")
            self._largest = max(self._largest, size)
            self._body += size

    def reserve(self, ask: Ask, patient: bool = False) -> Grant | None:
        """None = it may fit when an open grant is settled, or for the `patient` another run's.

        Raises:
            ExhaustedError: now and for every later request.
            RefusalError: the shared account cannot be kept.
        """
        with self._lock:
            self._check_time()
            if self._requests >= self._budget.requests:
                self._exhaust("requests")
            if self._calls >= self._budget.tool_calls:
                self._exhaust("tool_calls")
            if self._received >= self._budget.stream_bytes:
                self._exhaust("stream_bytes")
            if len(ask.items) > self._budget.history_items:
                self._exhaust("history_items")
            self._items = max(self._items, len(ask.items))
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
            capped = self._line("output_tokens") if free_out < self._ceiling else None
            wanted = Spent(tokens_in, 0, min(free_out, self._ceiling))
            return self._grant(Grant(ask, wanted, capped), patient)

    def _grant(self, grant: Grant, patient: bool) -> Grant | None:
        if self._account is not None:
            wait = patient or bool(self._open)
            try:
                hold = self._account.hold(self._model, grant.reserved, wait=wait)
            except ExhaustedError as error:
                self._exhausted = self._exhausted or error.line
                raise
            if hold is None:
                return None
            grant = Grant(grant.ask, hold.reserved, hold.capped or grant.capped, hold)
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

    def settle(
        self,
        grant: Grant,
        spent: Spent | None,
        *,
        calls: int | None = None,
        cut_short: bool = False,
    ) -> None:
        """Replaces the reservation. `spent` None = upstream did not say: it costs all of it.

        `calls`: the tools a completed response asked for; None = it did not complete.
        `cut_short` = upstream stopped at the output cap.
        """
        with self._lock:
            self._open.remove(grant)
            self._completed += calls is not None
            self._calls += calls or 0
            self._unfinished = calls != 0
            cost = spent or grant.reserved
            if self._account is not None and grant.hold is not None:
                self._account.settle(grant.hold, cost)
            self._input += cost.input_tokens
            self._cached += min(cost.cached_tokens, cost.input_tokens)
            self._output += cost.output_tokens
            if spent and spent.input_tokens:
                self._seen = (grant.ask, spent.input_tokens)
            if cut_short:
                self._exhausted = self._exhausted or grant.capped

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

    def _notes(self) -> tuple[str, ...]:
        lines = {
            "requests": self._requests,
            "tool_calls": self._calls,
            "input_tokens": self._input,
            "output_tokens": self._output,
            "history_items": self._items,
            "history_mib": self._largest // MIB,
            "sent_mib": self._body // MIB,
        }
        shared = () if self._account is None else self._account.notes
        own = (note(name, spent, getattr(self._budget, name)) for name, spent in lines.items())
        return (*(text for each in own for text in each), *shared)

    def _cost(self) -> int | None:
        if self._price is None:
            return None
        return self._price.cost_usd_micros(self._input, self._cached, self._output)
