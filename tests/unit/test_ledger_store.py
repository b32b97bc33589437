"""The ledger's file: each way to alter it is refused, or noticed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.errors import ConfigError, InfraError
from runner.ledger.chain import Position, Sealed, caught_up
from runner.ledger.checkpoint import read_checkpoint
from runner.ledger.dsse import Stamp
from runner.ledger.exporter import EVERY
from runner.ledger.keys import Signer, local_public_key, local_signer
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.opening import TAIL
from runner.ledger.rows import MismatchError
from runner.ledger.store import SqliteStore
from runner.process import run
from runner.records.evidence import About, Statement

STATEMENT = Statement("decision", {"action": {"sha256": "a" * 64}}, {"word": "DENY"})
AT = datetime(2026, 11, 20, tzinfo=UTC)
SELECTED = "kind, run, agent, tenant, at, envelope"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """With a ledger of ten entries."""
    fill(tmp_path, 10)
    return tmp_path


def fill(state: Path, entries: int) -> None:
    with open_ledger(state) as ledger:
        for future in [ledger.submit(STATEMENT) for _ in range(entries)]:
            future.result()


def place(state: Path) -> Path:
    return state / "ledger" / "ledger.sqlite"


@pytest.fixture
def foreign(state: Path) -> Iterator[sqlite3.Connection]:
    """Somebody else's connection to the file."""
    with closing(sqlite3.connect(place(state), isolation_level=None)) as connection:
        yield connection


def refused(state: Path, named: str) -> None:
    with pytest.raises(InfraError, match=named), open_ledger(state):
        raise AssertionError


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET agent = 'x' WHERE seq = 3",
        "UPDATE OR REPLACE entries SET seq = 2 WHERE seq = 3",
        "DELETE FROM entries WHERE seq = 9",
        "DELETE FROM entries",
        f"INSERT OR REPLACE INTO entries SELECT 3, id, {SELECTED}, prev, head, nodes"
        " FROM entries WHERE seq = 3",
        f"INSERT OR REPLACE INTO entries SELECT 10, id, {SELECTED}, head, head, nodes"
        " FROM entries WHERE seq = 9",
        f"INSERT INTO entries SELECT 10, 'rc_x', {SELECTED}, prev, head, nodes"
        " FROM entries WHERE seq = 9",
        f"INSERT INTO entries SELECT 12, 'rc_x', {SELECTED}, head, head, nodes"
        " FROM entries WHERE seq = 9",
        f"INSERT INTO entries SELECT -1, 'rc_x', {SELECTED}, zeroblob(32), head, nodes"
        " FROM entries WHERE seq = 9",
        f"INSERT INTO entries SELECT NULL, 'rc_x', {SELECTED}, prev, head, nodes"
        " FROM entries WHERE seq = 9",
        "INSERT INTO log VALUES ('another')",
        "INSERT OR REPLACE INTO log SELECT origin FROM log",
        "UPDATE log SET origin = 'another'",
        "DELETE FROM log",
    ],
)
def test_the_triggers_refuse_everybody(state: Path, foreign: sqlite3.Connection, sql: str) -> None:
    before = foreign.execute("SELECT * FROM entries").fetchall()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        foreign.execute(sql)
    assert foreign.execute("SELECT * FROM entries").fetchall() == before
    with open_ledger(state) as ledger:
        assert ledger.check() == 10


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET agent = 'x'",
        "DELETE FROM entries",
        "DROP TABLE entries",
        "DROP TRIGGER entries_kept",
        "CREATE TRIGGER t AFTER INSERT ON entries BEGIN SELECT 1; END",
        "CREATE TABLE t (a)",
        "CREATE TEMP TABLE entries (a)",
        "ALTER TABLE entries RENAME TO e",
        "PRAGMA writable_schema = ON",
        "PRAGMA synchronous = OFF",
        "PRAGMA recursive_triggers = OFF",
        "ATTACH ':memory:' AS other",
        "INSERT INTO log VALUES ('x')",
        "INSERT INTO sqlite_schema VALUES (1, 2, 3, 4, 5)",
        "REINDEX",
        "ANALYZE",
    ],
)
def test_the_writing_connection_may_only_append(state: Path, sql: str) -> None:
    store = SqliteStore.open(place(state))
    with closing(store), pytest.raises(sqlite3.DatabaseError, match=r"not authorized|prohibited"):
        store.connection.execute(sql)


def test_the_writing_connection_waits_for_the_disk(state: Path) -> None:
    full = 2
    store = SqliteStore.open(place(state))
    with closing(store):
        store.connection.set_authorizer(None)
        for name, value in (
            ("journal_mode", "wal"),
            ("synchronous", full),
            ("recursive_triggers", 1),
        ):
            assert store.connection.execute(f"PRAGMA {name}").fetchone() == (value,)


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TRIGGER entries_stay",
        "DROP INDEX entries_run",
        "CREATE TRIGGER also AFTER INSERT ON entries BEGIN SELECT 1; END",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_another_schema_is_noticed(state: Path, foreign: sqlite3.Connection, sql: str) -> None:
    foreign.execute(sql)
    refused(state, "unguarded")


def test_a_schema_written_by_hand_is_noticed(state: Path, foreign: sqlite3.Connection) -> None:
    foreign.execute("PRAGMA writable_schema = ON")
    foreign.execute("UPDATE sqlite_schema SET sql = replace(sql, 'OR EXISTS', 'AND EXISTS')")
    foreign.execute("PRAGMA writable_schema = OFF")
    refused(state, "unguarded: entries_next")


def test_what_comes_back_with_a_hole_is_noticed(state: Path) -> None:
    """REPLACE of a row by a connection whose triggers somebody took away, and put back."""
    with closing(sqlite3.connect(place(state), isolation_level=None)) as foreign:
        ((sql,),) = foreign.execute("SELECT sql FROM sqlite_schema WHERE name = 'entries_next'")
        foreign.execute("DROP TRIGGER entries_next")
        foreign.execute(
            f"INSERT OR REPLACE INTO entries SELECT 5, 'rc_x', {SELECTED}, prev, head, nodes"
            " FROM entries WHERE seq = 4"
        )
        foreign.execute(sql)
    refused(state, "entry 5 was changed")


def test_rows_before_the_first_are_noticed(state: Path) -> None:
    with closing(sqlite3.connect(place(state), isolation_level=None)) as foreign:
        ((sql,),) = foreign.execute("SELECT sql FROM sqlite_schema WHERE name = 'entries_next'")
        foreign.execute("DROP TRIGGER entries_next")
        foreign.execute(
            f"INSERT INTO entries SELECT -5, 'rc_x', {SELECTED}, prev, head, nodes"
            " FROM entries WHERE seq = 4"
        )
        foreign.execute(sql)
    refused(state, "belong nowhere")


def test_an_older_copy_of_the_file_is_noticed(state: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    shutil.copy(place(state), copy)
    fill(state, 3)
    place(state).unlink()
    shutil.copy(copy, place(state))
    os.chmod(place(state), 0o600)
    refused(state, "entry 10 is gone: 13 were signed for, 10 are there")


def test_an_older_copy_of_everything_shows_against_a_checkpoint_kept_elsewhere(
    state: Path, tmp_path: Path
) -> None:
    shutil.copytree(state / "ledger", tmp_path / "copy")
    with open_ledger(state) as ledger:
        ledger.append(STATEMENT)
        kept = ledger.checkpoint()
    shutil.rmtree(state / "ledger")
    shutil.move(tmp_path / "copy", state / "ledger")
    public = local_public_key(state)
    assert public is not None
    with open_ledger(state) as ledger:
        assert ledger.check() == 10  # it is a ledger that was once
        with pytest.raises(InfraError, match="entry 10 is gone"):
            ledger.require_grown_from(read_checkpoint(kept, [public]))
        ledger.append(STATEMENT)
        with pytest.raises(InfraError, match="entry 10 or one before it was rewritten"):
            ledger.require_grown_from(read_checkpoint(kept, [public]))


def test_the_file_put_aside_while_it_is_open_takes_nothing_more(state: Path) -> None:
    with open_ledger(state) as ledger:
        ledger.append(STATEMENT)
        shutil.copy(place(state), place(state).with_name("other"))
        os.replace(place(state).with_name("other"), place(state))
        with pytest.raises(InfraError, match="another file has been put in its place"):
            ledger.append(STATEMENT)
        place(state).unlink()
        with pytest.raises(InfraError, match="cannot use the ledger"):
            ledger.append(STATEMENT)


def test_a_ledger_that_is_gone_is_not_begun_again(state: Path) -> None:
    for file in (state / "ledger").glob("ledger.sqlite*"):
        file.unlink()
    refused(state, "is gone, with the whole file")
    assert not place(state).exists()


@pytest.mark.parametrize(
    ("note", "named"),
    [
        (None, "entry 9 is signed for by no checkpoint"),
        (b"", "not a checkpoint of this ledger"),
        (b"\xff\n", "UTF-8"),
        (
            b"codex-runner.dev/log/x\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n",
            "a note is text, an empty",
        ),
    ],
)
def test_without_its_checkpoint_it_is_not_used(state: Path, note: bytes | None, named: str) -> None:
    path = state / "ledger" / "checkpoint"
    path.unlink()
    if note is not None:
        path.write_bytes(note)
    refused(state, named)


def test_a_checkpoint_of_another_key_or_another_log_does_not_count(
    state: Path, tmp_path: Path
) -> None:
    path = state / "ledger" / "checkpoint"
    good = path.read_bytes()
    public = local_public_key(state)
    assert public is not None
    checkpoint = read_checkpoint(good, [public])
    path.write_bytes(checkpoint.signed(Signer.of(Ed25519PrivateKey.generate())))
    refused(state, "no known key signed it")
    path.write_bytes(good.replace(b"\n10\n", b"\n11\n"))
    refused(state, "its signature is wrong")
    other = tmp_path / "other"
    fill(other, 1)
    shutil.copytree(state / "keys", other / "keys", dirs_exist_ok=True)
    path.write_bytes((other / "ledger" / "checkpoint").read_bytes())
    refused(state, "of another log")
    path.write_bytes(good)
    with open_ledger(state) as ledger:
        assert ledger.check() == 10


def test_entries_that_no_key_signed_are_noticed_although_they_fit(state: Path) -> None:
    """Whoever may write the file, but has no key, appends."""
    with open_ledger(state) as ledger:
        envelope = next(ledger.entries()).envelope
    store = SqliteStore.open(place(state))
    with closing(store), store.writing() as writing:
        end = caught_up(Position(), writing)
        forged = envelope.replace(b'"sig":"', b'"sig":"AAAA')
        about = next(iter(writing.rows())).entry
        row, _ = end.next(Sealed(forged, "decision", Stamp(About(), about.at)))
        writing.insert([row])
    refused(state, "entry 10 does not count: the signature is not this key's")


@pytest.mark.parametrize(
    ("second", "why"), [({"seq": 12}, "append-only"), ({"prev": bytes(32)}, "append-only")]
)
def test_each_of_several_rows_in_one_step_has_to_be_the_next(
    state: Path, second: dict[str, object], why: str
) -> None:
    with closing(SqliteStore.open(place(state))) as store:
        with store.writing() as writing:
            end = caught_up(Position(), writing)
        sealed = [Sealed(b'{"n":%d}' % n, "decision", Stamp(About(), AT)) for n in range(2)]
        first, end = end.next(sealed[0])
        wrong = end.next(sealed[1])[0]._replace(**second)  # type: ignore[arg-type]
        with pytest.raises(InfraError, match=why), store.writing() as writing:
            writing.insert([first, wrong])
        with store.writing() as writing:
            assert writing.count() == 10
            writing.insert([first, end.next(sealed[1])[0]])
        with store.reading() as reading:
            assert reading.count() == 12


@pytest.mark.parametrize("size", [0, 10])
def test_one_step_appends_all_of_it_behind_the_end_it_is_for_or_nothing(
    tmp_path: Path, size: int
) -> None:
    fill(tmp_path, size)
    with closing(SqliteStore.open(place(tmp_path))) as store:
        with store.reading() as reading:
            end = caught_up(Position(), reading)
        first, then = end.next(Sealed(b"{}", "decision", Stamp(About(), AT)))
        second, last = then.next(Sealed(b"[]", "decision", Stamp(About(), AT)))
        for tip in (then.tip, (size - 1, bytes(31)), (size, end.head), *([None] if size else [])):
            assert not store.extend(tip, [first, second])
        with pytest.raises(InfraError, match="append-only"):
            store.extend(end.tip, [first, second._replace(prev=bytes(32))])
        with store.reading() as reading:
            assert caught_up(Position(), reading).size == size
        assert store.extend(end.tip, [first, second])
        with store.reading() as reading:
            assert reading.tip() == last.tip


@pytest.mark.parametrize("size", [0, 1, TAIL - 1, TAIL, TAIL + 1, TAIL + 200])
def test_ledgers_of_every_size_are_opened(tmp_path: Path, size: int) -> None:
    fill(tmp_path, size)
    with open_ledger(tmp_path) as ledger:
        assert ledger.size == size
        assert ledger.append(STATEMENT).seq == size
        assert ledger.check() == size + 1


def exported(state: Path) -> int:
    return int((state / "ledger" / "checkpoint").read_text().split("\n")[1])


def test_the_checkpoint_is_there_from_the_beginning_and_at_the_end(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert exported(tmp_path) == 0
        ledger.append(STATEMENT)
    assert exported(tmp_path) == 1
    with open_ledger(tmp_path) as first:
        with open_ledger(tmp_path) as second:
            first.append(STATEMENT)
            second.append(STATEMENT)
        assert exported(tmp_path) == 3
    assert exported(tmp_path) == 3  # the first one's is older


def test_what_a_crash_left_without_a_checkpoint_gets_one_when_it_is_opened(state: Path) -> None:
    file = state / "ledger" / "checkpoint"
    old = file.read_bytes()
    fill(state, 3)
    file.write_bytes(old)  # as SIGKILL leaves it
    with open_ledger(state) as ledger:
        assert (exported(state), ledger.size) == (13, 13)


def test_the_checkpoint_follows_while_entries_come(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        while exported(tmp_path) < EVERY:  # by itself, at the latest when the time has come
            ledger.append(STATEMENT)
        assert ledger.size >= EVERY


def test_file_and_directory_are_private(state: Path) -> None:
    assert place(state).stat().st_mode & 0o777 == 0o600
    assert place(state).parent.stat().st_mode & 0o777 == 0o700
    with open_ledger(state):
        for file in place(state).parent.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file
    place(state).chmod(0o640)
    with pytest.raises(ConfigError, match="open to others"), open_ledger(state):
        raise AssertionError
    place(state).chmod(0o600)
    place(state).parent.chmod(0o755)
    with pytest.raises(ConfigError, match="open to others"), open_ledger(state):
        raise AssertionError


def test_a_link_is_no_ledger(state: Path) -> None:
    place(state).rename(place(state).with_name("real"))
    place(state).symlink_to("real")
    with pytest.raises(ConfigError, match="link"), open_ledger(state):
        raise AssertionError


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(99)])
def test_a_file_that_is_no_database(state: Path, content: bytes) -> None:
    for file in place(state).parent.glob("ledger.sqlite-*"):
        file.unlink()
    place(state).write_bytes(content)
    refused(state, "ledger")


def test_a_damaged_page_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path, 40)
    with place(tmp_path).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        for offset in range(4096, size, 4096):
            file.seek(offset)
            file.write(b"\xff" * 64)
    refused(tmp_path, "ledger")


def test_a_writer_that_cannot_have_the_lock_says_so(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.store.BUSY_S", 0.05)
    with open_ledger(state) as ledger, ExitStack() as stack:
        holder = stack.enter_context(closing(sqlite3.connect(place(state), isolation_level=None)))
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(InfraError, match="locked"):
            ledger.append(STATEMENT)
        holder.execute("ROLLBACK")
        assert ledger.append(STATEMENT).seq == 10


FULL = """
import resource, sys
from pathlib import Path
from runner.errors import InfraError
from runner.ledger.ledger import open_ledger
from tests.unit.test_ledger_store import STATEMENT

with open_ledger(Path(sys.argv[1])) as ledger:
    limit = (Path(sys.argv[1]) / "ledger" / "ledger.sqlite-wal").stat().st_size + 100_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    told = []
    for _ in range(1000):
        try:
            told.append(ledger.append(STATEMENT).id)
        except InfraError as error:
            print(error.problem, error.remedy, sep="|", file=sys.stderr)
            break
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    told.append(ledger.append(STATEMENT).id)
print(*told)
"""


def test_what_a_full_disk_does_not_take_is_not_acknowledged(state: Path) -> None:
    root = Path(__file__).parents[2]
    ended = run([sys.executable, "-c", FULL, str(state)], cwd=root, timeout_s=60)
    assert ended.code == 0, ended.stderr
    assert b"nothing that failed was acknowledged" in ended.stderr
    told = ended.stdout.decode().split()
    assert 1 < len(told) < 1000
    with open_ledger(state) as ledger:
        assert ledger.check() == 10 + len(told)
        assert [entry.id for entry in ledger.entries()][10:] == told


def test_a_mistake_in_this_program_leaves_nobody_waiting(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    with open_ledger(state) as ledger:
        broken(ledger)
        for _ in range(2):
            with pytest.raises(InfraError, match="closed"):
                ledger.append(STATEMENT)
    assert [each.exc_type for each in seen] == [ZeroDivisionError]


def broken(ledger: StoredLedger) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    ledger.writer._append = fails  # type: ignore[method-assign, assignment]


def test_rows_lacking_hashes_are_named(state: Path) -> None:
    store = SqliteStore.open(place(state))
    with closing(store), store.reading() as reading:
        with pytest.raises(MismatchError, match="entry 11 is gone"):
            reading.node(2, 2)
        assert len(reading.node(2, 1)) == 32


def test_its_keys_are_those_of_the_state_directory(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert ledger.signers["gate"].keyid == local_signer(tmp_path).keyid
