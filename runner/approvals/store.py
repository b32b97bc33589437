"""Where requests wait and words are kept: SQLite, for several processes, rows are only added."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from runner.errors import InfraError
from runner.records.approval import Advice, ApprovalId, ApprovalRequest
from runner.records.base import RunId, Sha256

NAME = "approvals.sqlite"
PATIENCE_S = 10
"""For another process that is writing."""
VERSION = 2
_REMEDY = "without the file nothing waits any more"
_TABLES = ("request", "resolution", "advice", "used", "seen")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS request (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, action TEXT NOT NULL,
  asked_at TEXT NOT NULL, record BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS request_action ON request (action);
CREATE TABLE IF NOT EXISTS resolution (
  seq INTEGER PRIMARY KEY, request TEXT NOT NULL REFERENCES request (id), envelope BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS resolution_request ON resolution (request);
CREATE TABLE IF NOT EXISTS advice (
  request TEXT PRIMARY KEY REFERENCES request (id), record BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS used (
  request TEXT PRIMARY KEY REFERENCES request (id), at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS seen (signature TEXT PRIMARY KEY, at TEXT NOT NULL) STRICT;
""" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'rows are only added'); END;\n"
    for table in _TABLES
    for verb in ("UPDATE", "DELETE")
)


@dataclass(frozen=True, slots=True)
class Row:
    """A request and everything that was said of it."""

    request: ApprovalRequest
    envelopes: tuple[bytes, ...]
    """Signed words, in the order they came."""
    advice: Advice | None
    """What a reviewing model said first; None = none has looked at it."""
    used: bool


@dataclass(frozen=True, slots=True)
class Store:
    """`Store(STATE/approvals)`. A connection for each transaction: any thread, any process."""

    home: Path

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """One consistent view. Raises InfraError: it cannot be read."""
        with self._transaction("BEGIN") as rows:
            yield rows

    @contextmanager
    def writing(self) -> Iterator[Rows]:
        """Alone among all processes; durable when it is left. Raises InfraError: it is not."""
        with self._transaction("BEGIN IMMEDIATE") as rows:
            yield rows

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Rows]:
        try:
            with closing(self._connected()) as connection:
                connection.execute(begin)
                try:
                    yield Rows(connection)
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError, ValidationError) as error:
            raise InfraError(
                f"the approvals in {self.home} cannot be used: {error}",
                f"free some space or mend its permissions; {_REMEDY}",
            ) from error

    def _connected(self) -> sqlite3.Connection:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.home / NAME
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA recursive_triggers = ON")  # for INSERT OR REPLACE
            if connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
                connection.execute("PRAGMA journal_mode = WAL")
                version = f"PRAGMA user_version = {VERSION}"
                connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}{version};COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


@dataclass(frozen=True, slots=True)
class Rows:
    """Within one transaction."""

    connection: sqlite3.Connection

    def get(self, request: str) -> Row | None:
        found = self._select("WHERE id = ?", request)
        return found[0] if found else None

    def of_run(self, run: RunId) -> tuple[Row, ...]:
        return self._select("WHERE json_extract(CAST(record AS TEXT), '$.run') = ?", run)

    def of_action(self, action: Sha256) -> tuple[Row, ...]:
        """The newest first."""
        return self._select("WHERE action = ? ORDER BY seq DESC", action)

    def all(self, since: datetime | None = None) -> tuple[Row, ...]:
        """In the order they were asked."""
        then = "" if since is None else since.isoformat()
        return self._select("WHERE asked_at >= ? ORDER BY seq", then)

    def beginning(self, prefix: str) -> tuple[Row, ...]:
        """Those whose id begins so."""
        return self._select("WHERE substr(id, 1, length(?1)) = ?1 ORDER BY seq", prefix)

    def asked_since(self, then: datetime) -> int:
        """How many requests are younger, and nobody has answered or used them."""
        (found,) = self.connection.execute(
            "SELECT count(*) FROM request WHERE asked_at > ?"
            " AND NOT EXISTS (SELECT 1 FROM resolution WHERE request = id)"
            " AND NOT EXISTS (SELECT 1 FROM used WHERE request = id)",
            (then.isoformat(),),
        ).fetchone()
        return int(found)

    def ask(self, request: ApprovalRequest) -> None:
        row = (request.id, request.action, request.asked_at.isoformat(), request.canonical())
        self.connection.execute(
            "INSERT INTO request (id, action, asked_at, record) VALUES (?, ?, ?, ?)", row
        )

    def resolve(self, request: ApprovalId, envelope: bytes) -> None:
        row = (request, envelope)
        self.connection.execute("INSERT INTO resolution (request, envelope) VALUES (?, ?)", row)

    def advise(self, request: ApprovalId, advice: Advice) -> None:
        row = (request, advice.canonical())
        self.connection.execute("INSERT OR IGNORE INTO advice VALUES (?, ?)", row)

    def use(self, request: ApprovalId, at: datetime) -> None:
        self.connection.execute("INSERT INTO used VALUES (?, ?)", (request, at.isoformat()))

    def see(self, signature: str, at: datetime) -> bool:
        """False = it was seen before."""
        row = (signature, at.isoformat())
        done = self.connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", row)
        return done.rowcount == 1

    def _select(self, where: str, *values: str) -> tuple[Row, ...]:
        found = self.connection.execute(
            "SELECT id, action, record,"
            " (SELECT advice.record FROM advice WHERE advice.request = id),"
            f" EXISTS (SELECT 1 FROM used WHERE request = id) FROM request {where}",
            values,
        ).fetchall()
        return tuple(self._row(*row) for row in found)

    def _row(
        self, request: str, action: str, record: bytes, advice: bytes | None, used: int
    ) -> Row:
        """Raises InfraError: it is found by, or shows, another action than it stands for."""
        words = self.connection.execute(
            "SELECT envelope FROM resolution WHERE request = ? ORDER BY seq", (request,)
        )
        envelopes = tuple(envelope for (envelope,) in words)
        asked = ApprovalRequest.model_validate_json(record)
        content = hashlib.sha256(asked.content.encode(errors="replace")).hexdigest()
        if not (asked.id == request and asked.action == action == content):
            raise InfraError(f"the request {request!a} was changed", _REMEDY)
        said = None if advice is None else Advice.model_validate_json(advice)
        return Row(asked, envelopes, said, bool(used))
