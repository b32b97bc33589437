"""Ledger entries -> outcomes: only what the key of the right role has signed counts for anything.

1. A statement is believed as far as its signature reaches: kind, agent, run and time are the signed
   ones, whatever the entry's row says.
2. What does not verify, or is not understood, changes nothing and is listed with the reason.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, ValidationError

from runner.ledger.dsse import ReceiptError, stamp_of
from runner.ledger.keyring import Ring
from runner.ports import Ledger
from runner.records.base import Record, RunId
from runner.records.evidence import PREDICATES, About, AgentId, Entry, Kind, ReceiptId, Statement
from runner.records.level import Level
from runner.records.review import OVER_BUDGET
from runner.records.trust import FORGE, PERSON, Ignored, Outcome, OutcomeKind, Promotion

KINDS: tuple[Kind, ...] = ("merged", "promotion", "verdict", "decision", "approval")
"""What outcomes are read from."""
FORBIDDEN = frozenset({"rule", "paths", "tools"})
"""What denies a forbidden action; all else says something of the operator, not of the agent."""
GATES: Mapping[str, OutcomeKind] = {"secrets": "secret_hit", "tamper": "denied_forbidden"}
"""What a refusal of this gate is besides `gate_failed`."""
CONTRADICTIONS = frozenset({"evidence.disk", "evidence.events", "gate.unreceipted"})
"""Something happened that the model was never asked for, or behind the gate's back."""
MOST_IGNORED = 100


@dataclass(frozen=True, slots=True)
class Said:
    """What a verified statement says."""

    kind: Kind | None
    predicate: Mapping[str, Any]
    about: About
    at: datetime


Verified = Callable[[Entry], Said]
"""Raises ReceiptError: it does not count, and why."""


def verified_by(ring: Ring, ledger: Ledger) -> Verified:
    """Signed by a key of the ring that speaks for this kind, at this place of the ledger."""

    def verified(entry: Entry) -> Said:
        found = ring.unseal(entry.envelope, entry.seq)
        stamp, predicate = stamp_of(found.statement), found.statement.get("predicate")
        if not isinstance(predicate, dict):
            raise ReceiptError("its predicate is no object")
        about = stamp.about
        if found.kind == "approval" and about.run and not about.agent:
            about = replace(about, agent=worked(about.run))
        return Said(found.kind, predicate, about, stamp.at)

    def worked(run: RunId) -> AgentId:
        """Whose work was judged in that run."""
        judged = (verified(entry) for entry in ledger.entries(run=run, kinds=("verdict",)))
        return next((said.about.agent for said in judged), AgentId(""))

    return verified


class Told(Record):
    """The predicate of a `merged` statement: what a forge, or a person, says became of a run."""

    opportunity: str
    agent: AgentId
    generation: str
    tenant: str = ""
    kind: OutcomeKind
    at: AwareDatetime
    """UTC."""
    cluster: str = ""
    size: int = 0
    independent: bool = False
    by: str = ""
    """Who did it, as the forge knows them."""
    remote: str
    target: str
    commit: str
    """What the run published; empty = nothing."""
    landed: str = ""
    """The commit that brought it into the target, or took it back."""
    request: str = ""
    """Where people read it."""
    reason: str = ""
    """A person's, who told it; empty = a forge did."""

    def statement(self) -> Statement:
        published = {"commit": {"gitCommit": self.commit}}
        return Statement(
            kind="merged",
            subject=published if self.commit else {"outcome": {"sha256": self.digest()}},
            predicate=self.model_dump(mode="json"),
            about=About(RunId(self.opportunity), self.agent, self.tenant),
        )


class Word(Record):
    """The predicate of a `promotion`."""

    agent: AgentId
    level: Level
    reason: str
    by: str
    """As the system knows them: `user:ada`."""

    def statement(self) -> Statement:
        return Statement(
            kind="promotion",
            subject={"promotion": {"sha256": self.digest()}},
            predicate=self.model_dump(mode="json"),
            about=About(agent=self.agent),
        )


class Book(Record):
    """What the first `seq` entries of a ledger say of all agents."""

    seq: int = 0
    outcomes: tuple[Outcome, ...] = ()
    promotions: tuple[Promotion, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    """The last ones."""

    def read_on(self, entries: Iterable[Entry], verified: Verified, size: int) -> Book:
        """With the entries that came since; `size` is how many there are now."""
        outcomes, promotions, ignored = [*self.outcomes], [*self.promotions], [*self.ignored]
        for entry in entries:
            if not self.seq <= entry.seq < size or denies_nothing(entry.envelope):
                continue
            try:
                for found in _read(entry, verified):
                    if isinstance(found, Promotion):
                        promotions.append(found)
                    else:
                        outcomes.append(found)
            except (ReceiptError, ValidationError, KeyError, TypeError, ValueError) as error:
                why = str(error) if isinstance(error, ReceiptError) else "it is not understood"
                ignored.append(Ignored(receipt=entry.id, kind=entry.kind, why=why))
        return Book(
            seq=size,
            outcomes=tuple(outcomes),
            promotions=tuple(promotions),
            ignored=tuple(ignored[-MOST_IGNORED:]),
        )


def _read(entry: Entry, verified: Verified) -> Iterator[Outcome | Promotion]:
    said = verified(entry)
    if said.kind != entry.kind:
        raise ReceiptError(f"it is a {said.kind}, kept as a {entry.kind}")
    match entry.kind:
        case "merged":
            yield _of_request(said, entry.id)
        case "promotion":
            word = {name: said.predicate[name] for name in ("agent", "level", "reason")}
            yield Promotion.model_validate({**word, "at": said.at, "receipt": entry.id})
        case "verdict":
            for kind in sorted(set(_of_gates(said.predicate["codexrunner_gates"]))):
                yield from _outcome(kind, said, entry.id)
        case "approval":
            if said.predicate["word"] == "no":
                yield from _outcome("human_rejected", said, entry.id)
        case "decision":
            denied = said.predicate["decision"] == "DENY"
            if denied and said.predicate.get("rule") in FORBIDDEN:
                yield from _outcome("denied_forbidden", said, entry.id)


def denies_nothing(envelope: bytes) -> bool:
    """A decision that says nothing of anybody: most of a ledger, and not worth being read."""
    return _holds(envelope, _DECISION) and not _holds(envelope, _DENY)


def _holds(envelope: bytes, spellings: Iterable[bytes]) -> bool:
    return any(each in envelope for each in spellings)


def _in_base64(text: bytes) -> tuple[bytes, ...]:
    """What there is in the base64 of all that has `text` somewhere: it begins a group of three
    bytes, or comes second or third in it. Characters that tell of its neighbours too are left out.
    """
    return tuple(
        base64.b64encode(bytes(at) + text)[-(-at * 8 // 6) : (at + len(text)) * 8 // 6]
        for at in range(3)
    )


_DECISION = _in_base64(b'"predicateType":"%s"' % PREDICATES["decision"].encode())
"""Quotes in a text are escaped: no words of another statement look like this."""
_DENY = _in_base64(b'"DENY"')


def _of_request(said: Said, receipt: ReceiptId) -> Outcome:
    told = Told.model_validate_json(json.dumps(said.predicate))
    if told.kind not in (PERSON if told.reason else FORGE):
        raise ReceiptError(f"no {'person' if told.reason else 'forge'} tells of {told.kind}")
    kept = told.model_dump(include=set(Outcome.model_fields))
    return Outcome.model_validate({**kept, "receipt": receipt})


def _of_gates(rows: Iterable[Mapping[str, Any]]) -> Iterator[OutcomeKind]:
    for row in rows:
        codes = set(row["findings"])
        if row["verdict"] != "refused" or codes == {OVER_BUDGET}:
            continue
        yield "gate_failed"
        if row["gate"] in GATES:
            yield GATES[row["gate"]]
        if codes & CONTRADICTIONS:
            yield "tamper"


def _outcome(kind: OutcomeKind, said: Said, receipt: ReceiptId) -> Iterator[Outcome]:
    """None of nobody's: `check` judges a person's work."""
    about = said.about
    if about.agent:
        yield Outcome(
            opportunity=about.run, agent=about.agent, kind=kind, at=said.at, receipt=receipt
        )
