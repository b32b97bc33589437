"""The port `Ledger`, the same tests for a file and for a database of several hosts."""

from __future__ import annotations

import json
import sqlite3
import threading
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.errors import ConfigError, InfraError
from runner.ledger.checkpoint import read_checkpoint
from runner.ledger.dsse import STAMP, unseal
from runner.ledger.keys import Signer
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.note import NoteError
from runner.ledger.postgres import ROLE, SCHEMA, ddl
from runner.ledger.proof import read_proof
from runner.records.base import RunId
from runner.records.evidence import About, AgentId, Kind, ReceiptId, Role, Statement
from tests.postgres import Server, binaries, postgres

GATE = Signer.of(Ed25519PrivateKey.generate())
SIGNERS: dict[Role, Signer] = {"gate": GATE, "verifier": Signer.of(Ed25519PrivateKey.generate())}


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    where = binaries()
    if where is None:
        pytest.skip("PostgreSQL's server is not installed (apt-get install postgresql)")
    with postgres(where) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is: opened several times, it is the same one."""

    state: Path
    address: str | None = None
    admin: str | None = None

    def open(self, state: Path | None = None) -> AbstractContextManager[StoredLedger]:
        return open_ledger(state or self.state, SIGNERS, address=self.address)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if request.param == "sqlite":
        return Place(state)
    server: Server = request.getfixturevalue("server")
    admin = server.address("postgres", "admin")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        connection.execute(ddl().encode())
    return Place(state, server.address("postgres", ROLE), admin)


def statement(
    kind: Kind = "decision", run: str = "r1", agent: str = "ag_1", **predicate: object
) -> Statement:
    about = About(RunId(run), AgentId(agent), "acme")
    return Statement(kind, {"action": {"sha256": "a" * 64}}, predicate or {"word": "DENY"}, about)


def test_what_is_appended_is_signed_numbered_and_found(place: Place) -> None:
    began = datetime.now(UTC)
    with place.open() as ledger:
        first, second = ledger.append(statement(n=1)), ledger.append(statement("merged", n=2))
        assert (first.seq, second.seq, ledger.size) == (0, 1, 2)
        assert began <= first.at <= second.at <= datetime.now(UTC)
        assert first.about == About(RunId("r1"), AgentId("ag_1"), "acme")
        assert (first.kind, second.kind) == ("decision", "merged")
        assert ledger.entry(first.id) == first
        assert ledger.entry(ReceiptId("rc_none")) is None
        assert tuple(ledger.entries()) == (first, second)
    told = unseal(first.envelope, {GATE.keyid: GATE.key.public_key()})
    assert (told.kind, told.statement["predicate"]) == ("decision", {"n": 1})
    with pytest.raises(ValueError, match="unknown key"):
        unseal(second.envelope, {GATE.keyid: GATE.key.public_key()})


def test_the_same_words_twice_are_two_receipts(place: Place) -> None:
    with place.open() as ledger:
        first, second = ledger.append(statement()), ledger.append(statement())
    assert first.id != second.id
    payloads = [json.loads(b64decode(json.loads(e.envelope)["payload"])) for e in (first, second)]
    assert payloads[0]["predicate"] == payloads[1]["predicate"]
    stamps = [payload["subject"][0].pop("annotations")[STAMP] for payload in payloads]
    assert stamps[0]["nonce"] != stamps[1]["nonce"]
    assert stamps[0]["run"] == "r1"
    assert payloads[0] == payloads[1]


MIXED: tuple[tuple[Kind, str, str], ...] = (
    ("decision", "r1", "ag_1"),
    ("kill", "r2", "ag_1"),
    ("merged", "", "ag_2"),
)


def test_entries_are_selected_in_their_order(place: Place) -> None:
    with place.open() as ledger:
        futures = [
            ledger.submit(statement(kind, run, agent))
            for _ in range(90)
            for kind, run, agent in MIXED
        ]
        assert [future.result().seq for future in futures] == [*range(270)]
        assert [entry.seq for entry in ledger.entries()] == [*range(270)]
        assert [e.seq for e in ledger.entries(run=RunId("r1"))] == [*range(0, 270, 3)]
        assert len(tuple(ledger.entries(agent=AgentId("ag_1")))) == 180
        assert len(tuple(ledger.entries(kinds=("kill", "merged")))) == 180
        assert len(tuple(ledger.entries(run=RunId(""), kinds=("merged",)))) == 90
        assert not tuple(ledger.entries(run=RunId("r1"), kinds=("kill",)))


def test_it_goes_on_where_it_ended(place: Place) -> None:
    with place.open() as ledger:
        before = [ledger.append(statement(n=n)) for n in range(5)]
        early = ledger.checkpoint()
    with place.open() as ledger:
        assert ledger.size == 5
        assert tuple(ledger.entries()) == tuple(before)
        assert ledger.append(statement()).seq == 5
        assert ledger.check() == 6
        old = read_checkpoint(early, [GATE.key.public_key()], ledger.origin)
        assert (old.size, old.origin) == (5, ledger.origin)
        ledger.require_grown_from(old)


def test_a_proof_leads_from_each_receipt_to_the_checkpoint(place: Place) -> None:
    keys = [GATE.key.public_key()]
    with place.open() as ledger:
        entries = [ledger.append(statement(n=n)) for n in range(7)]
        checkpoint, proofs = ledger.proofs([entry.id for entry in entries])
        for entry, text in zip(entries, proofs, strict=True):
            proof = read_proof(text)
            assert (proof.index, proof.checkpoint) == (entry.seq, checkpoint)
            assert proof.verify(entry.envelope, keys, ledger.origin).size == 7
            with pytest.raises(NoteError, match="does not lead"):
                proof.verify(entry.envelope + b" ", keys)
        with pytest.raises(ConfigError, match="no receipt"):
            ledger.proof(ReceiptId("rc_none"))
        for _ in range(3):
            ledger.append(statement())
        assert read_proof(ledger.proof(entries[6].id)).verify(entries[6].envelope, keys).size == 10


def test_eight_threads_at_once_lose_nothing(place: Place) -> None:
    with place.open() as ledger:
        start = threading.Barrier(8)

        def work(number: int) -> list[tuple[ReceiptId, int]]:
            start.wait()
            made = [ledger.append(statement(run=f"r{number}")) for _ in range(20)]
            return [(entry.id, entry.seq) for entry in made]

        with ThreadPoolExecutor(8) as pool:
            told = [each for made in pool.map(work, range(8)) for each in made]
        assert sorted(seq for _, seq in told) == [*range(160)]
        assert {entry.id: entry.seq for entry in ledger.entries()} == dict(told)
        assert ledger.check() == 160


def test_two_ledgers_open_at_once_are_one(place: Place, tmp_path: Path) -> None:
    """As two processes, or with a database two hosts, would have them."""
    other = place.state
    if place.address:
        other = tmp_path / "other host"
        other.mkdir(mode=0o700)
    with place.open() as one, place.open(other) as two:
        for turn in range(6):
            assert (one, two)[turn % 2].append(statement(n=turn)).seq == turn
        one.append(statement())
        last = one.append(statement())
        proof = read_proof(two.proof(last.id))
        assert proof.verify(last.envelope, [GATE.key.public_key()]).size == two.size == 8
        assert two.check() == one.check() == 8
    with place.open() as ledger:
        assert ledger.size == 8


def test_a_kind_whose_key_is_not_here_is_not_appended(place: Place) -> None:
    with place.open() as ledger:
        with pytest.raises(ConfigError, match="signed by the approver"):
            ledger.append(statement("approval"))
        for word in ("\0", "a\ud800"):
            with pytest.raises(ConfigError, match="no text"):
                ledger.append(statement(run=word))
        assert ledger.append(statement(text="\0 \ud800 \N{SNOWMAN}")).seq == 0
        assert ledger.check() == 1


def test_what_was_asked_for_cannot_be_taken_back(place: Place) -> None:
    with place.open() as ledger:
        future = ledger.submit(statement())
        assert not future.cancel()
        assert future.result().seq == 0


def test_after_its_end_nothing_is_appended(place: Place) -> None:
    with place.open() as ledger:
        last = ledger.submit(statement())
    assert last.result().seq == 0
    with pytest.raises(InfraError, match="closed"):
        ledger.append(statement())


def test_a_state_directory_keeps_its_ledger(place: Place) -> None:
    with place.open() as ledger:
        ledger.append(statement())
    with open_ledger(place.state, SIGNERS) as ledger:  # by who was not told where it is
        assert ledger.size == 1
    other = "postgresql://nobody@/elsewhere"
    with pytest.raises(ConfigError, match="not postgresql://nobody@/elsewhere"), ExitStack() as s:
        s.enter_context(open_ledger(place.state, SIGNERS, address=other))


def altered_in_the_database(place: Place, sql: str) -> None:
    """By somebody who may do everything."""
    if place.admin:
        with psycopg.connect(place.admin, autocommit=True) as connection:
            connection.execute(f"SET search_path = {SCHEMA}".encode())
            connection.execute(b"SET session_replication_role = replica")
            connection.execute(sql.encode())
        return
    file = place.state / "ledger" / "ledger.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as foreign:
        triggers = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        schema = foreign.execute(triggers).fetchall()
        for name, _ in schema:
            foreign.execute(f"DROP TRIGGER {name}")
        foreign.execute(sql)
        for _, definition in schema:
            foreign.execute(definition)


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM entries WHERE seq = 9", "entry 9 is gone"),
        ("DELETE FROM entries WHERE seq >= 4", "entry 4 is gone"),
        ("DELETE FROM entries WHERE seq = 3", "entry 3 is gone"),
        ("DELETE FROM entries", "entry 0 is gone"),
        ("UPDATE entries SET run = 'r2' WHERE seq = 5", "entry 5 was changed: its 'run'"),
        ("UPDATE entries SET agent = 'ag_9' WHERE seq = 5", "entry 5 was changed: its 'agent'"),
        ("UPDATE entries SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 5", "entry 5 was chang"),
        ("UPDATE entries SET kind = 'merged' WHERE seq = 0", "entry 0 was changed: its 'kind'"),
        ("UPDATE entries SET id = 'rc_0' WHERE seq = 9", "entry 9 was changed: its 'id'"),
        ("UPDATE entries SET head = prev WHERE seq = 9", "entry 9 was changed: its 'head'"),
        ("UPDATE entries SET nodes = head WHERE seq = 4", "entry 4 was changed: its 'nodes'"),
        (
            "UPDATE entries SET envelope = (SELECT envelope FROM entries WHERE seq = 1)"
            " WHERE seq = 2",
            "entry 2 was changed",
        ),
        ("UPDATE entries SET envelope = prev WHERE seq = 2", "entry 2 does not count"),
        ("UPDATE log SET origin = 'example.com/other'", "checkpoint of another log"),
    ],
)
def test_whatever_is_altered_is_named_when_it_is_opened(place: Place, sql: str, named: str) -> None:
    with place.open() as ledger:
        for n in range(10):
            ledger.append(statement(n=n))
    altered_in_the_database(place, sql)
    with pytest.raises(InfraError, match=named) as caught, place.open():
        raise AssertionError
    assert "keep it aside" in caught.value.remedy


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("DELETE FROM entries WHERE seq >= 4", "entry 9 was cut off or rewritten"),
        ("UPDATE entries SET head = prev WHERE seq = 9", "entry 9 was cut off or rewritten"),
    ],
)
def test_what_is_altered_under_an_open_ledger_ends_its_appending(
    place: Place, sql: str, named: str
) -> None:
    with place.open() as ledger:
        for n in range(10):
            ledger.append(statement(n=n))
        altered_in_the_database(place, sql)
        for _ in range(2):
            with pytest.raises(InfraError, match=named):
                ledger.append(statement())


def test_a_row_of_long_ago_is_found_by_the_whole_check(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.opening.TAIL", 4)
    with place.open() as ledger:
        third = [ledger.append(statement(n=n)) for n in range(10)][3]
    altered_in_the_database(place, "UPDATE entries SET agent = 'ag_9' WHERE seq = 3")
    with place.open() as ledger:
        with pytest.raises(InfraError, match="entry 3 was changed: its 'agent'"):
            ledger.check()
        for read in (lambda: tuple(ledger.entries()), lambda: ledger.entry(third.id)):
            with pytest.raises(InfraError, match="entry 3 was changed: what it is found by"):
                read()
    whole = open_ledger(place.state, SIGNERS, address=place.address, whole=True)
    with pytest.raises(InfraError, match="entry 3 was changed: its 'agent'"), whole:
        raise AssertionError


def test_a_signature_of_another_role_does_not_pass_the_whole_check(place: Place) -> None:
    swapped: dict[Role, Signer] = {"gate": GATE, "verifier": GATE}
    with open_ledger(place.state, swapped, address=place.address) as ledger:
        ledger.append(statement())
        ledger.append(statement("merged"))
    with (
        pytest.raises(InfraError, match=r"entry 1 does not count: .* the verifier's key"),
        place.open() as ledger,
    ):
        ledger.check()


def test_of_a_key_nobody_knows_the_whole_check_tells(place: Place) -> None:
    stranger: dict[Role, Signer] = {**SIGNERS, "verifier": Signer.of(Ed25519PrivateKey.generate())}
    with open_ledger(place.state, stranger, address=place.address) as ledger:
        ledger.append(statement("merged"))
    with place.open() as ledger:
        own, (foreign, *_) = ledger.append(statement()), ledger.entries()
        assert ledger.vouches(own) and not ledger.vouches(foreign)
        with pytest.raises(InfraError, match=r"entry 0 .* unknown key"):
            ledger.check()


@pytest.fixture
def database(place: Place) -> Place:
    if not place.address:
        pytest.fail("only for a database")
    return place


of_several_hosts = pytest.mark.parametrize("place", ["postgres"], indirect=True)


@of_several_hosts
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET agent = 'ag_9'",
        "DELETE FROM entries",
        "TRUNCATE entries",
        "INSERT INTO log VALUES ('another')",
        "DELETE FROM log",
        "DROP TRIGGER entries_next ON entries",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "INSERT INTO entries SELECT seq + 7, id || 'x', kind, run, agent, tenant, at, envelope,"
        " prev, head, nodes FROM entries",
        "INSERT INTO entries SELECT seq + 1, id || 'x', kind, run, agent, tenant, at, envelope,"
        " prev, head, nodes FROM entries",
        "INSERT INTO entries SELECT * FROM entries ON CONFLICT (seq) DO UPDATE SET agent = 'x'",
    ],
)
def test_the_role_of_runs_can_only_append(database: Place, sql: str) -> None:
    with database.open() as ledger:
        ledger.append(statement())
        assert database.address is not None
        with psycopg.connect(database.address, autocommit=True) as connection:
            connection.execute(f"SET search_path = {SCHEMA}".encode())
            with pytest.raises(psycopg.Error, match=r"denied|append-only|must be owner"):
                connection.execute(sql.encode())
        assert ledger.check() == 1


@of_several_hosts
def test_a_role_that_may_do_more_is_not_used(database: Place, tmp_path: Path) -> None:
    assert database.admin is not None
    wide = open_ledger(tmp_path / "state", SIGNERS, address=database.admin)
    with pytest.raises(ConfigError, match="admin may UPDATE"), wide:
        raise AssertionError


@of_several_hosts
def test_without_its_triggers_it_is_not_used(database: Place) -> None:
    altered_in_the_database(database, "DROP TRIGGER entries_kept ON entries")
    with pytest.raises(InfraError, match="unguarded: entries_kept"), database.open():
        raise AssertionError


@of_several_hosts
def test_a_connection_that_is_lost_is_made_again(database: Place) -> None:
    with database.open() as ledger:
        first = ledger.append(statement())
        assert ledger.entry(first.id)
        altered_in_the_database(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = '{ROLE}' AND datname = current_database()",
        )
        with pytest.raises(InfraError, match="cannot use the ledger"):
            ledger.append(statement())
        with pytest.raises(InfraError, match="cannot use the ledger"):
            ledger.entry(first.id)
        assert ledger.append(statement()).seq == 1
        assert ledger.entry(first.id) == first
        assert ledger.check() == 2


@of_several_hosts
def test_an_address_without_a_ledger(database: Place, tmp_path: Path) -> None:
    assert database.admin is not None
    for address, named in (
        (database.admin.replace("/postgres?", "/nothing?"), "cannot use the ledger"),
        (database.admin + "&ignored=1", "is none"),
        ("mysql://there", "no ledger is kept at"),
        ("postgresql://[", "is none"),
    ):
        with (
            pytest.raises((ConfigError, InfraError), match=named),
            open_ledger(tmp_path / "state", SIGNERS, address=address),
        ):
            raise AssertionError
    elsewhere = database.admin.replace("/postgres?", "/template1?")
    with (
        pytest.raises(ConfigError, match="there is no ledger") as caught,
        open_ledger(tmp_path / "state", SIGNERS, address=elsewhere),
    ):
        raise AssertionError
    assert "ledger ddl" in caught.value.remedy
