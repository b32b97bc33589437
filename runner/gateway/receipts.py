"""Receipts as JSON, to whoever may see them: an agent its own, an administrator all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from runner.gateway.callers import Caller
from runner.gateway.reading import MalformedError
from runner.ports import Ledger
from runner.records.base import RunId
from runner.records.evidence import PREDICATES, AgentId, Entry, Kind

MOST = 200
"""On one page."""
USUAL = 50
MOST_SEQ = 10**15


@dataclass(frozen=True, slots=True)
class Wanted:
    """One page: entries behind number `after`."""

    caller: Caller
    run: RunId | None = None
    agent: AgentId | None = None
    kinds: tuple[Kind, ...] = ()
    after: int = -1
    limit: int = USUAL


def wanted(query: Sequence[tuple[str, str]], caller: Caller) -> Wanted:
    """Of the query's parameters. Raises MalformedError: one is unknown, doubled or wrong."""
    given = dict(query)
    if len(given) != len(query):
        raise MalformedError("a parameter is given twice")
    if unknown := given.keys() - {"run", "agent", "kind", "after", "limit"}:
        raise MalformedError(f"{min(unknown)[:50]!a} is no parameter")
    kinds = tuple(kind for kind in PREDICATES if kind == given.get("kind"))
    if "kind" in given and not kinds:
        raise MalformedError("kind: no such kind")
    run, agent = given.get("run"), given.get("agent")
    limit = _number(given, "limit", USUAL)
    if not 1 <= limit <= MOST:
        raise MalformedError(f"limit: from 1 to {MOST}")
    return Wanted(
        caller,
        caller.run or (None if run is None else RunId(run)),
        caller.agent or (None if agent is None else AgentId(agent)),
        kinds,
        _number(given, "after", -1),
        limit,
    )


def page(ledger: Ledger, asked: Wanted) -> Mapping[str, object]:
    """`{"receipts": [...], "next": 41}`: `next` is the next page's `after`, null = the end."""
    found = list(islice(_seen(ledger, asked), asked.limit + 1))
    shown = found[: asked.limit]
    more = len(found) > len(shown)
    return {"receipts": [_row(each) for each in shown], "next": shown[-1].seq if more else None}


def whole(entry: Entry) -> Mapping[str, object]:
    """With the envelope, exactly as it was signed."""
    return {**_row(entry), "envelope": entry.envelope.decode()}


def is_seen_by(entry: Entry, caller: Caller) -> bool:
    if caller.sees_all:
        return True
    own = (entry.about.agent, entry.about.tenant) == (caller.agent, caller.tenant)
    return own and caller.run in {None, entry.about.run}


def _seen(ledger: Ledger, asked: Wanted) -> Iterator[Entry]:
    first = asked.after + 1
    for entry in ledger.entries(run=asked.run, agent=asked.agent, kinds=asked.kinds, first=first):
        if is_seen_by(entry, asked.caller):
            yield entry


def _row(entry: Entry) -> dict[str, object]:
    return {
        "seq": entry.seq,
        "id": entry.id,
        "kind": entry.kind,
        "run": entry.about.run,
        "agent": entry.about.agent,
        "tenant": entry.about.tenant,
        "at": entry.at.isoformat(),
    }


def _number(given: Mapping[str, str], name: str, usual: int) -> int:
    text = given.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MOST_SEQ):
        raise MalformedError(f"{name}: not a number")
    return int(text)
