"""What all runs of a day spend: one small file per day, changed under a lock.

A reservation is written before its request is sent, and corrected when upstream has counted: what
a killed process had reserved stays spent. Tokens are kept; prices are applied when they are read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from runner.broker.refusal import RefusalError
from runner.broker.spent import ExhaustedError, Spent, dollars, note
from runner.live import exclusive
from runner.records.usage import Allowance, Price

MIN_OUTPUT_TOKENS = 16
"""The least that upstream takes as `max_output_tokens`."""
Count = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt]
"""Input, cached and output tokens; how much of the output is reserved only."""
Counts = dict[str, Count]
"""By model."""
_BOOK: TypeAdapter[dict[str, Counts]] = TypeAdapter(dict[str, Counts])
"""By repository."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Tokens of one request, written down as spent until they are settled."""

    day: str
    model: str
    reserved: Spent
    capped: str | None
    """The bound that allows no more output than this."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One bound and what counts towards it."""

    name: str
    cap: int
    counts: tuple[Counts, ...]
    usd: bool

    def told(self) -> str:
        return f"{self.name} {dollars(self.cap) if self.usd else self.cap}"


class Account:
    """Of one run; the file is shared by all that were given the same directory."""

    def __init__(
        self,
        directory: Path,
        repository: str,
        allowance: Allowance,
        prices: Mapping[str, Price],
        today: Callable[[], str] = lambda: datetime.now(UTC).date().isoformat(),
    ) -> None:
        self._directory, self._repository = directory, repository
        self._allowance, self._prices, self._today = allowance, prices, today
        self._owner = owner(repository)
        self._run: Counts = {}
        self.notes: tuple[str, ...] = ()
        """Bounds that are nearly spent."""

    def hold(self, model: str, tokens: Spent, *, wait: bool) -> Hold | None:
        """Reserves this much; less output when no more is left and nobody wants to `wait`.

        None = it does not fit now, and may when somebody has settled a reservation.

        Raises:
            ExhaustedError: not even the least output fits.
            RefusalError: the file cannot be read or written, a price is unknown.
        """
        day = self._today()
        with self._opened(day) as book:
            rooms = [(self._room(line, model, tokens), line.told()) for line in self._lines(book)]
            room, tightest = min(rooms, default=(tokens.output_tokens, ""))
            fits = room >= tokens.output_tokens
            if not fits and wait and self._held(book):
                return None
            if not fits and room < MIN_OUTPUT_TOKENS:
                raise ExhaustedError(tightest)
            reserved = Spent(tokens.input_tokens, 0, min(room, tokens.output_tokens))
            hold = Hold(day, model, reserved, None if fits else tightest)
            self._add(book, hold.model, hold.reserved, 1)
        return hold

    def settle(self, hold: Hold, spent: Spent) -> None:
        """Where the file has gone bad meanwhile, the reservation stays spent."""
        with suppress(RefusalError), self._opened(hold.day) as book:
            self._add(book, hold.model, hold.reserved, -1)
            self._add(book, hold.model, spent)
            self.notes = tuple(
                text
                for line in self._lines(book)
                for text in note(line.name, self._spent(line), line.cap, usd=line.usd)
            )

    def _lines(self, book: dict[str, Counts]) -> list[_Line]:
        everything, mine = tuple(book.values()), (book.get(self._repository, {}),)
        house = tuple(counts for name, counts in book.items() if owner(name) == self._owner)
        given = self._allowance
        lines = (
            ("run_usd", given.run_usd_micros, (self._run,), True),
            ("day_usd", given.day_usd_micros, everything, True),
            ("day_tokens", given.day_tokens, everything, False),
            ("repository_day_usd", given.repository_day_usd_micros, mine, True),
            ("repository_day_tokens", given.repository_day_tokens, mine, False),
            ("organisation_day_usd", given.organisation_day_usd_micros, house, True),
            ("organisation_day_tokens", given.organisation_day_tokens, house, False),
        )
        return [
            _Line(name, cap, counts, usd) for name, cap, counts, usd in lines if cap is not None
        ]

    def _spent(self, line: _Line) -> int:
        each = [(model, count) for counts in line.counts for model, count in counts.items()]
        if not line.usd:
            return sum(count[0] + count[2] for _, count in each)
        return sum(self._price(model).cost_usd_micros(*count[:3]) for model, count in each)

    def _room(self, line: _Line, model: str, tokens: Spent) -> int:
        """Output tokens that fit, after the input; negative when not even that does."""
        left = line.cap - self._spent(line)
        if not line.usd:
            return left - tokens.input_tokens
        price = self._price(model)
        left -= price.cost_usd_micros(tokens.input_tokens, 0, 0)
        if price.output_usd_micros == 0:
            return tokens.output_tokens if left >= 0 else -1
        return left * 1_000_000 // price.output_usd_micros

    def _price(self, model: str) -> Price:
        price = self._prices.get(model)
        if price is None:
            fault = f"a budget in dollars is set, and the price of {model} is unknown"
            raise RefusalError("price-unknown", fault, fault=fault)
        return price

    def _add(self, book: dict[str, Counts], model: str, spent: Spent, holds: int = 0) -> None:
        """`holds`: 1 reserves it, -1 takes the reservation back, 0 = it is spent."""
        sign, held = holds or 1, abs(holds) * spent.output_tokens
        change = (spent.input_tokens, spent.cached_tokens, spent.output_tokens, held)
        for counts in (book.setdefault(self._repository, {}), self._run):
            before = counts.get(model, (0, 0, 0, 0))
            pairs = zip(before, change, strict=True)
            a, b, c, d = (max(0, old + sign * new) for old, new in pairs)
            counts[model] = (a, b, c, d)

    def _held(self, book: dict[str, Counts]) -> bool:
        """Whether anybody, maybe a killed run, has reserved what is not settled."""
        return any(count[3] for counts in book.values() for count in counts.values())

    @contextmanager
    def _opened(self, day: str) -> Iterator[dict[str, Counts]]:
        """The day's book; written back whole when the block has not failed."""
        path = self._directory / f"{day}.json"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            with exclusive(self._directory / ".lock"):
                book = _BOOK.validate_json(path.read_bytes()) if path.exists() else {}
                yield book
                fresh = path.with_suffix(".new")
                fresh.write_bytes(_BOOK.dump_json(book))
                os.replace(fresh, path)
        except (OSError, ValidationError) as error:
            why = error.strerror if isinstance(error, OSError) else "damaged"
            fault = f"the account of spending cannot be kept: {path}: {why}"
            raise RefusalError(
                "account", "the account of spending cannot be kept", fault=fault
            ) from error


def owner(repository: str) -> str:
    """`https://host/group/name.git` and `git@host:group/name` -> `host/group`: who pays for it."""
    place = repository.partition("://")[2] or repository
    place = place.rpartition("@")[2].replace(":", "/").casefold()
    return place.rpartition("/")[0] or place
