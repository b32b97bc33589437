"""The ledger in PostgreSQL (>= 13), for several hosts: `ledger = "postgresql://host/database"`.

An administrator applies `ddl()` once (`codex-runner ledger ddl | psql DATABASE`). The role of runs
may read and insert and nothing else; where it may do more, the ledger is not used.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.errors import ConfigError, InfraError
from runner.ledger.rows import INSERT, PLACES, MismatchError, Reading, Row, Tip, Writing
from runner.ledger.store import BUSY_S, new_origin

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[object, ...]]

SCHEMA, ROLE = "codex_runner", "codex_runner"
LOCK = 0x636F6465782D7275
"""Of the advisory lock that makes writers take turns."""
TIMEOUT_S = 10
_FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_TRIGGERS = {"entries_next", "entries_kept", "log_kept"}
_APPLY = "an administrator applies: codex-runner ledger ddl | psql DATABASE"
_DDL = """BEGIN;
CREATE SCHEMA {schema};
SET LOCAL search_path = {schema};
CREATE TABLE log (origin text PRIMARY KEY);
CREATE TABLE entries (
    seq bigint PRIMARY KEY, id text NOT NULL UNIQUE, kind text NOT NULL, run text NOT NULL,
    agent text NOT NULL, tenant text NOT NULL, at text NOT NULL, envelope bytea NOT NULL,
    prev bytea NOT NULL, head bytea NOT NULL, nodes bytea NOT NULL);
CREATE INDEX entries_run ON entries (run, seq);
CREATE INDEX entries_agent ON entries (agent, seq);
CREATE INDEX entries_kind ON entries (kind, seq);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE FUNCTION is_next() RETURNS trigger LANGUAGE plpgsql SET search_path = {schema}, pg_temp AS
    $$ BEGIN
        IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), -1) + 1 FROM entries)
            OR NEW.prev IS DISTINCT FROM coalesce(
                (SELECT head FROM entries WHERE seq = NEW.seq - 1), decode(repeat('00', 32), 'hex'))
        THEN RAISE EXCEPTION 'the ledger is append-only'; END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER entries_next BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION is_next();
CREATE TRIGGER entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse();
INSERT INTO log VALUES ('{origin}');
CREATE TRIGGER log_kept BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse();
DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC;
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON log TO {role};
GRANT SELECT, INSERT ON entries TO {role};
COMMIT;
"""


def ddl() -> str:
    """What an administrator applies: a new log, and the role that may append to it."""
    return _DDL.format(schema=SCHEMA, role=ROLE, origin=new_origin())


@dataclass(slots=True)
class PostgresStore:
    """`runner.ledger.rows.Store`; one connection writes, one reads; lost ones are made again."""

    address: str
    name: str
    """Without what is secret in the address."""
    _writer: Connection | None = None
    _reader: Connection | None = None
    _reads: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    def open(address: str) -> PostgresStore:
        """Raises ConfigError: psycopg is not installed, the address is none, or no ledger is there;
        InfraError: no connection."""
        try:
            import psycopg
        except ImportError:
            raise ConfigError(
                "a ledger in PostgreSQL needs psycopg", "pip install 'codex-runner[postgres]'"
            ) from None
        try:
            parts = psycopg.conninfo.conninfo_to_dict(address)
        except psycopg.ProgrammingError as error:
            raise ConfigError(
                f"the ledger's address is none: {str(error).splitlines()[0]}",
                'ledger = "postgresql://user@host/database"',
            ) from None
        name = f"postgresql://{parts.get('host', '')}/{parts.get('dbname', '')}"
        store = PostgresStore(address, name)
        try:
            with store.reading() as reading:
                ((table,),) = reading.execute("SELECT to_regclass('entries')::text", ())
            if table is None:
                raise ConfigError(f"there is no ledger in {name}", _APPLY)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def shared(self) -> bool:
        return True

    def guarded(self, reading: Reading) -> None:
        """Raises ConfigError: this role may do more than read and append; MismatchError: triggers
        are gone."""
        for privilege in _FORBIDDEN:
            question = "SELECT has_table_privilege('entries', ?), current_user"
            ((may, role),) = reading.execute(question, (privilege,))
            if may:
                raise ConfigError(
                    f"{role} may {privilege} in the ledger {self.name}",
                    f"connect as a role that only reads and inserts: {ROLE}; {_APPLY}",
                )
        question = (
            "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')"
            " AND tgrelid IN ('entries'::regclass, 'log'::regclass)"
        )
        if gone := _TRIGGERS - {str(name) for (name,) in reading.execute(question, ())}:
            raise MismatchError(0, f"and what follows is unguarded: {', '.join(sorted(gone))}")

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        with self._reads, self._told():
            self._reader = connection = self._alive(self._reader)
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield _reading(connection)
            finally:
                if not connection.closed:
                    connection.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        with self._told():
            self._writer = connection = self._alive(self._writer)
            connection.execute("BEGIN")
            try:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                yield Writing(_reading(connection).execute, lambda rows: _insert(connection, rows))
                connection.execute("COMMIT")
            except BaseException:
                if not connection.closed:
                    connection.execute("ROLLBACK")
                raise

    def extend(self, tip: Tip | None, rows: Sequence[Row]) -> bool:
        with self.writing() as writing:
            fits = writing.tip() == tip
            if fits:
                writing.insert(rows)
        return fits

    def examine(self) -> None:
        with self.reading() as reading:
            self.guarded(reading)

    def close(self) -> None:
        for connection in (self._writer, self._reader):
            if connection is not None:
                connection.close()

    def _alive(self, connection: Connection | None) -> Connection:
        if connection is not None and not connection.closed:
            return connection
        import psycopg

        made = psycopg.connect(self.address, autocommit=True, connect_timeout=TIMEOUT_S)
        for setting in (
            f"search_path = {SCHEMA}, pg_catalog, pg_temp",
            "synchronous_commit = on",
            f"lock_timeout = {int(BUSY_S * 1000)}",
            f"idle_in_transaction_session_timeout = {int(BUSY_S * 1000)}",
        ):
            made.execute(f"SET {setting}".encode())
        return made

    @contextmanager
    def _told(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            why = (str(error).splitlines() or ["no reason given"])[0]
            raise InfraError(
                f"cannot use the ledger {self.name}: {why}",
                "mend the database or the way to it; nothing that failed was acknowledged",
            ) from error


def _reading(connection: Connection) -> Reading:
    def execute(sql: str, values: Sequence[object]) -> Iterator[tuple[object, ...]]:
        return iter(connection.execute(_marked(sql), values))

    return Reading(execute)


def _insert(connection: Connection, rows: Sequence[Row]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(_marked(f"{INSERT} {PLACES}"), rows)


def _marked(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()
