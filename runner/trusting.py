"""What the ledger says of an agent: computed when the ledger has grown, else read from one row.

1. The rows below `STATE/ledger/trust` are a memory, no evidence: who can write there can sign. Each
   names what it was made from: entries, keys, day and formula; of anything else it is made anew.
2. Without `[trust] enforce` only severe outcomes bound the level, by their caps; with it the ladder
   does. Nothing here ever raises a level.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import ValidationError

from runner.errors import ConfigError
from runner.killfile import SUBJECTS
from runner.ledger.calibration import calibrate
from runner.ledger.folder import on_disk, private_directory, replace
from runner.ledger.ladder import climb, severe_bound
from runner.ledger.outcomes import KINDS, Book, Word, denies_nothing, verified_by
from runner.ledger.score import FORMULA, History, day_of, explain
from runner.person import this_user
from runner.ports import Ledger
from runner.records.base import Record, RunId
from runner.records.evidence import AgentId, Entry, Kind
from runner.records.identity import Agent
from runner.records.level import HIGHEST, Contribution, Level
from runner.records.trust import Outcome, Trust

if TYPE_CHECKING:
    from runner.ledger.keyring import Ring

HOME, BOOK = "trust", "book"
"""In `STATE/ledger`: a row for each agent, and all outcomes."""
WHERE = "codex-runner trust"
R = TypeVar("R", bound=Record)


class Log(Ledger, Protocol):
    """A ledger that knows how long it is, and whose word counts in it."""

    def entries(
        self,
        *,
        run: RunId | None = None,
        agent: AgentId | None = None,
        kinds: tuple[Kind, ...] = (),
        first: int = 0,
        passed_over: Callable[[bytes], bool] | None = None,
    ) -> Iterator[Entry]:
        """Of the port; envelopes that are `passed_over` are not even parsed."""

    @property
    def size(self) -> int: ...
    @property
    def origin(self) -> str: ...
    @property
    def ring(self) -> Ring: ...


class _Kept(Record):
    """What a row was made from."""

    formula: int
    log: str
    ring: str
    size: int = 0
    day: int = 0
    """Since 1970."""

    @staticmethod
    def of(ledger: Log, size: int = 0, day: int = 0) -> _Kept:
        rows = sorted(f"{k.keyid} {k.role} {k.since} {k.until}" for k in ledger.ring.keys.values())
        ring = hashlib.sha256("\n".join(rows).encode()).hexdigest()
        return _Kept(formula=FORMULA, log=ledger.origin, ring=ring, size=size, day=day)


class _Row(Record):
    made: _Kept
    asked: str
    """Generation; empty = the one of the last merge."""
    trust: Trust


class _Shelf(Record):
    made: _Kept
    book: Book


def read_book(state: Path, ledger: Log) -> Book:
    """All outcomes; only entries that are new since the last time are verified."""
    size, made, path = ledger.size, _Kept.of(ledger), _path(state, BOOK)
    kept = _read(path, _Shelf)
    book = kept.book if kept is not None and kept.made == made else Book()
    if book.seq == size:
        return book
    begun = book if book.seq < size else Book()
    each = (  # a kind at a time the store finds by its index, and in their order
        ledger.entries(kinds=(kind,), first=begun.seq, passed_over=denies_nothing) for kind in KINDS
    )
    fresh = merge(*each, key=attrgetter("seq"))
    book = begun.read_on(fresh, verified_by(ledger.ring, ledger), size)
    _write(path, _Shelf(made=made, book=book))
    return book


def trust_of(
    state: Path, ledger: Log, agent: AgentId, generation: str = "", now: datetime | None = None
) -> Trust:
    """Score and ladder, without the calibration. No generation = the one of its last merge."""
    at = now or datetime.now(UTC)
    made = _Kept.of(ledger, ledger.size, day_of(at))
    path = _path(state, agent)
    row = _read(path, _Row)
    if row is not None and (row.made, row.asked) == (made, generation):
        return row.trust
    trust = _computed(read_book(state, ledger), agent, generation, at)
    _write(path, _Row(made=made, asked=generation, trust=trust))
    return trust


def calibrated(state: Path, ledger: Log, agent: AgentId, now: datetime | None = None) -> Trust:
    """The same, with the calibration."""
    at = now or datetime.now(UTC)
    history = History(_of(read_book(state, ledger).outcomes, agent), at)
    trust = trust_of(state, ledger, agent, now=at)
    return trust.model_copy(update={"calibration": calibrate(history)})


def unknown(agent: AgentId) -> Trust:
    """What is said of one that nothing became of."""
    return _computed(Book(), agent, "", datetime.now(UTC))


def agents(state: Path, ledger: Log) -> tuple[AgentId, ...]:
    """All that anything became of."""
    book = read_book(state, ledger)
    known = {each.agent for each in book.outcomes} | {each.agent for each in book.promotions}
    return tuple(sorted(known))


def scores(state: Path, ledger: Log, agent: AgentId | None) -> Mapping[str, object]:
    """JSON of one agent, or of all: `{"agents": [...]}`."""
    if agent is None:
        every = (trust_of(state, ledger, each) for each in agents(state, ledger))
        return {"agents": [_told(each) for each in every]}
    return _told(trust_of(state, ledger, agent))


def bounds(trust: Trust | None, *, enforce: bool) -> Iterator[Contribution]:
    """What the agent's past leaves of a level. None = it has none."""
    if trust is not None and trust.severe is not None:
        what = next((f.name for f in trust.score.reasons if f.name.startswith("cap_")), "severe")
        yield _bound(trust.severe, f"a severe outcome ({what.removeprefix('cap_')})")
    if not enforce:
        return
    if trust is None:
        yield _bound(0, "nothing is known of it, and trust is enforced")
        return
    ladder, score = trust.ladder, trust.score
    why = ladder.capped or f"score {score.score}, {score.band}, {score.n_eff} merges that count"
    yield _bound(ladder.level, why)


def foreseen(
    state: Path,
    agent: Agent | None,
    *,
    enforce: bool,
    ledger: Log | None = None,
    address: str | None = None,
) -> tuple[Contribution, ...]:
    """The bounds of a run that is to begin; nobody has none.

    Raises:
        InfraError: the ledger is not what was written.
    """
    if agent is None:
        return ()
    with opened(state, address) if ledger is None else nullcontext(ledger) as log:
        trust = None if log is None else trust_of(state, log, agent.id, agent.generation)
    return tuple(bounds(trust, enforce=enforce))


def promote(state: Path, ledger: Log, agent: AgentId, level: Level, reason: str) -> Entry:
    """A person's word, signed with the approver's key.

    Raises:
        ConfigError: the ladder does not allow it, there is no reason, or no approver's key.
    """
    if not reason.strip():
        raise ConfigError("a promotion needs a reason", "say why: --reason ...")
    ladder = trust_of(state, ledger, agent).ladder
    lacking = ladder.missing[:-1]  # the last one is this very word
    if ladder.level >= level:
        raise ConfigError(f"{agent} is on level {ladder.level} already", WHERE)
    if level != ladder.next:
        raise ConfigError(f"one rung at a time: {agent} is on level {ladder.level}", WHERE)
    if lacking:
        raise ConfigError(f"{agent} is not ready for level {level}: {'; '.join(lacking)}", WHERE)
    word = Word(agent=agent, level=level, reason=reason.strip(), by=this_user())
    return ledger.append(word.statement())


def named(name: str, tenant: str = "") -> AgentId:
    """`ag_...` as it is; else of the tenant's agent with that name. Raises ConfigError: no id."""
    if name.startswith("ag_"):
        if not re.fullmatch(SUBJECTS["agent"][0], name):
            raise ConfigError(
                f"{name[:100]!a} is no agent's id", "ag_ and 16 hex digits: codex-runner trust"
            )
        return AgentId(name)
    return Agent.model_construct(name=name, tenant=tenant).id


@contextmanager
def opened(state: Path, address: str | None = None) -> Iterator[Log | None]:
    """The ledger, at `address` if it is elsewhere; None = there is none yet."""
    from runner.ledger.ledger import has_ledger, open_ledger

    if not has_ledger(state, address):
        yield None
        return
    with open_ledger(state, address=address) as ledger:
        yield ledger


def _computed(book: Book, agent: AgentId, generation: str, now: datetime) -> Trust:
    history = History(_of(book.outcomes, agent), now)
    last = next((e.generation for e in reversed(history.outcomes) if e.generation), "")
    promotions = (each for each in book.promotions if each.agent == agent)
    return Trust(
        agent=agent,
        generation=generation or last,
        at=now,
        score=explain(history),
        ladder=climb(history, promotions, generation or last),
        severe=severe_bound(history),
        outcomes=len(history.outcomes),
        ignored=book.ignored,
    )


def _of(outcomes: tuple[Outcome, ...], agent: AgentId) -> Iterator[Outcome]:
    return (each for each in outcomes if each.agent == agent)


def _told(trust: Trust) -> Mapping[str, object]:
    told = trust.model_dump(mode="json", exclude={"score", "calibration"})
    return {**told, **trust.score.model_dump(mode="json")}


def _bound(level: Level, why: str) -> Contribution:
    return Contribution(who="agent", level=min(level, HIGHEST), why=why, where=WHERE)


def _path(state: Path, name: str) -> Path:
    return state / "ledger" / HOME / f"{name}.json"


def _read(path: Path, kind: type[R]) -> R | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(path: Path, record: Record) -> None:
    with on_disk(path):
        private_directory(path.parent)
        replace(path, record.model_dump_json().encode())
