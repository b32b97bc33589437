"""What of the ledger counts: only what the right key has signed, and only as far as it says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.ledger.dsse import ReceiptError, seal
from runner.ledger.keyring import Ring
from runner.ledger.keys import Signer, kept_signer, local_signer, new_key
from runner.ledger.ledger import open_ledger
from runner.ledger.outcomes import KINDS, Book, Said, Told, Word, denies_nothing, verified_by
from runner.ledger.score import SOAK_DAYS
from runner.records.base import RunId
from runner.records.evidence import PREDICATES, About, Entry, Kind, Statement
from runner.records.review import OVER_BUDGET
from runner.records.trust import Outcome, OutcomeKind
from tests.fake_ledger import FakeLedger
from tests.trust import AGENT, on

RUN = RunId("20261120-102233-7f3a9c")
ABOUT = About(run=RUN, agent=AGENT)


def told(kind: OutcomeKind = "merged", **more: object) -> Told:
    said = {
        "opportunity": RUN,
        "agent": AGENT,
        "generation": "g",
        "kind": kind,
        "at": on(1),
        "cluster": "r:src",
        "size": 400,
        "independent": True,
        "by": "ada",
        "remote": "/srv/r.git",
        "target": "main",
        "commit": "c" * 40,
    }
    return Told.model_validate({**said, **more})


def verdict(rows: Iterable[tuple[str, str, list[str]]], about: About = ABOUT) -> Statement:
    gates = [{"gate": gate, "verdict": how, "findings": codes} for gate, how, codes in rows]
    subject = {"commit": {"gitCommit": "c" * 40}}
    return Statement("verdict", subject, {"codexrunner_gates": gates}, about)


def decision(word: str, rule: str) -> Statement:
    predicate = {"decision": word, "rule": rule, "reason": "because"}
    return Statement("decision", {"action": {"sha256": "0" * 64}}, predicate, ABOUT)


def believed(entry: Entry) -> Said:
    """Everything a `FakeLedger` keeps."""
    statement = json.loads(entry.envelope)
    kind: Kind = next(k for k, p in PREDICATES.items() if p == statement["predicateType"])
    return Said(kind, statement["predicate"], entry.about, entry.at)


def read(*statements: Statement) -> Book:
    ledger = FakeLedger()
    for each in statements:
        ledger.append(each)
    return Book().read_on(ledger.entries(kinds=KINDS), believed, len(ledger.kept))


def kinds(*statements: Statement) -> list[OutcomeKind]:
    return [each.kind for each in read(*statements).outcomes]


def test_a_forge_s_word_is_read_whole() -> None:
    book = read(told().statement())
    (found,) = book.outcomes
    assert found == Outcome(
        opportunity=RUN,
        agent=AGENT,
        kind="merged",
        at=on(1),
        receipt=found.receipt,
        generation="g",
        cluster="r:src",
        size=400,
        independent=True,
    )
    assert book.ignored == () and SOAK_DAYS > 0


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("paths", "passed", []), ("tests", "waived", [])], []),
        ([("tests", "refused", ["tests.failed"])], ["gate_failed"]),
        ([("secrets", "refused", ["secrets.aws"])], ["gate_failed", "secret_hit"]),
        ([("secrets", "passed", ["secrets.aws"])], []),
        ([("tamper", "refused", ["tamper.skip"])], ["denied_forbidden", "gate_failed"]),
        ([("evidence", "refused", ["evidence.disk"])], ["gate_failed", "tamper"]),
        ([("gate", "refused", ["gate.unreceipted"])], ["gate_failed", "tamper"]),
        ([("evidence", "refused", ["evidence.broker"])], ["gate_failed"]),
        ([("review", "refused", [OVER_BUDGET])], []),
        ([("a", "refused", ["a.b"]), ("c", "refused", ["c.d"])], ["gate_failed"]),
    ],
)
def test_a_verdict_is_what_its_gates_refused(
    rows: list[tuple[str, str, list[str]]], expected: list[str]
) -> None:
    assert kinds(verdict(rows)) == expected


def test_a_person_s_change_that_is_judged_is_nobody_s_failure() -> None:
    assert kinds(verdict([("tests", "refused", ["tests.failed"])], About(run=RUN))) == []


@pytest.mark.parametrize(
    ("word", "rule", "expected"),
    [
        *(("DENY", "rule", ["denied_forbidden"]), ("DENY", "paths", ["denied_forbidden"])),
        *(("DENY", "kill", []), ("DENY", "level", []), ("DENY", "approval", [])),
        *(("ALLOW", "rule", []), ("PENDING", "rule", [])),
    ],
)
def test_only_what_is_forbidden_counts_of_decisions(
    word: str, rule: str, expected: list[str]
) -> None:
    assert kinds(decision(word, rule)) == expected


@pytest.mark.parametrize(("word", "expected"), [("no", ["human_rejected"]), ("yes", [])])
def test_a_person_s_no_counts(tmp_path: Path, word: str, expected: list[str]) -> None:
    """Of a publication as well, which the run's verdict says who worked for."""
    gate, approver, _ = signers(tmp_path)
    ring = Ring.of(("gate", gate.key.public_key()), ("approver", approver.key.public_key()))
    subject = {"action": {"sha256": "0" * 64}}
    with open_ledger(tmp_path, {"gate": gate, "approver": approver}) as ledger:
        ledger.append(verdict([("tests", "passed", [])]))
        for about in (ABOUT, About(run=RUN), About(run=RunId("unknown"))):
            ledger.append(Statement("approval", subject, {"word": word}, about))
        entries = ledger.entries(kinds=KINDS)
        book = Book().read_on(entries, verified_by(ring, ledger), ledger.size)
    assert [each.kind for each in book.outcomes] == expected * 2
    assert {each.agent for each in book.outcomes} <= {AGENT} and not book.ignored


def test_allows_gain_nothing_however_many() -> None:
    assert kinds(*(decision("ALLOW", "rule") for _ in range(50))) == []


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "tamper"},
        {"kind": "splendid"},
        {"size": 1001},
        {"at": "2026-11-20T10:00:00"},
        {"at": 7},
        {"agent": None},
        {"more": 1},
    ],
)
def test_what_is_not_understood_changes_nothing(change: Mapping[str, object]) -> None:
    statement = told().statement()
    odd = Statement("merged", statement.subject, {**statement.predicate, **change}, ABOUT)
    book = read(odd, told().statement())
    assert len(book.outcomes) == 1
    (ignored,) = book.ignored
    assert ignored.kind == "merged" and ignored.why


def test_a_kind_that_is_kept_as_another_does_not_count() -> None:
    ledger = FakeLedger()
    entry = ledger.append(told().statement())
    disguised = Entry(entry.seq, entry.id, "promotion", entry.about, entry.at, entry.envelope)
    book = Book().read_on([disguised], believed, 1)
    assert (book.outcomes, book.promotions) == ((), ())
    assert "kept as a promotion" in book.ignored[0].why


def test_what_denies_nothing_is_not_even_verified(tmp_path: Path) -> None:
    """A ledger has a hundred thousand of them, and a run's start waits for this."""
    seen = list[int]()

    def counting(entry: Entry) -> Said:
        seen.append(entry.seq)
        raise ReceiptError("never mind")

    with open_ledger(tmp_path) as ledger:
        for word in ("ALLOW", "DENY", "PENDING"):
            ledger.append(decision(word, "rule"))
        book = Book().read_on(ledger.entries(kinds=KINDS), counting, 3)
    assert seen == [1] and len(book.ignored) == 1 and book.seq == 3


@pytest.mark.parametrize("before", range(7))
def test_a_denial_is_seen_wherever_it_stands(before: int) -> None:
    """The bytes of an envelope are base64: the same word is written in three ways."""
    signer = Signer.of(Ed25519PrivateKey.generate())
    for word, nothing in (("ALLOW", True), ("PENDING", True), ("DENY", False)):
        predicate = {"agent": "x" * before, "decision": word}
        statement = Statement("decision", {"action": {"sha256": "0" * 64}}, predicate, ABOUT)
        assert denies_nothing(seal(statement, signer)) is nothing
        quoted = {**predicate, "reason": f'"predicateType":"{PREDICATES["decision"]}"'}
        other = Statement("merged", statement.subject, quoted, ABOUT)
        assert not denies_nothing(seal(other, signer))


def test_reading_on_is_reading_all() -> None:
    ledger = FakeLedger()
    ledger.append(told().statement())
    some = Book().read_on(ledger.entries(kinds=KINDS), believed, 1)
    ledger.append(told("reverted").statement())
    ledger.append(verdict([("tests", "refused", [])]))
    assert some.read_on(ledger.entries(kinds=KINDS), believed, 3) == Book().read_on(
        ledger.entries(kinds=KINDS), believed, 3
    )


def signers(state: Path) -> tuple[Signer, Signer, Signer]:
    """Of gate, verifier and a stranger."""
    gate, places = local_signer(state), [state / "keys" / f"{name}.key" for name in ("one", "two")]
    for place in places:
        new_key(place)
    one, two = map(kept_signer, places)
    return gate, one, two


def test_only_the_verifier_s_word_counts(tmp_path: Path) -> None:
    gate, verifier, stranger = signers(tmp_path)
    ring = Ring.of(("gate", gate.key.public_key()), ("verifier", verifier.key.public_key()))
    for signer, counts in ((verifier, 1), (gate, 0), (stranger, 0)):
        with open_ledger(tmp_path, {"gate": gate, "verifier": signer}) as ledger:
            ledger.append(told(opportunity=f"{RUN}-{counts}").statement())
    with open_ledger(tmp_path, {"gate": gate}) as ledger:
        book = Book().read_on(ledger.entries(kinds=KINDS), verified_by(ring, ledger), ledger.size)
    assert [each.opportunity for each in book.outcomes] == [f"{RUN}-1"]
    assert [each.why for each in book.ignored] == [
        "that is for the verifier's key to say, and it is the gate's",
        f"it is signed with an unknown key, {stranger.keyid[:16]!r}",
    ]


def test_a_promotion_is_an_approver_s(tmp_path: Path) -> None:
    gate, approver, stranger = signers(tmp_path)
    ring = Ring.of(("gate", gate.key.public_key()), ("approver", approver.key.public_key()))
    word = Word(agent=AGENT, level=1, reason="good", by="user:ada").statement()
    for signer in (approver, stranger):
        with open_ledger(tmp_path, {"gate": gate, "approver": signer}) as ledger:
            ledger.append(word)
            verified = verified_by(ring, ledger)
            book = Book().read_on(ledger.entries(kinds=KINDS), verified, ledger.size)
    (promotion,) = book.promotions
    assert (promotion.agent, promotion.level, promotion.reason) == (AGENT, 1, "good")
    assert len(book.ignored) == 1


def test_a_changed_envelope_changes_nothing(tmp_path: Path) -> None:
    gate, verifier, _ = signers(tmp_path)
    ring = Ring.of(("gate", gate.key.public_key()), ("verifier", verifier.key.public_key()))
    with open_ledger(tmp_path, {"gate": gate, "verifier": verifier}) as ledger:
        entry = ledger.append(told().statement())
    bent = entry.envelope.replace(b'"sig":"', b'"sig":"AA', 1)
    changed = Entry(entry.seq, entry.id, entry.kind, entry.about, entry.at, bent)
    with pytest.raises(ReceiptError):
        verified_by(ring, ledger)(changed)
    book = Book().read_on([changed], verified_by(ring, ledger), 1)
    assert book.outcomes == () and len(book.ignored) == 1
