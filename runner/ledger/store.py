"""The ledger in a file: SQLite, append-only as far as a file can be.

1. Mode 0600 in a directory of 0700, of this user; no link.
2. WAL and synchronous=FULL: what is committed survives a loss of power.
3. Triggers refuse all but the next row; the writing connection may not even ask for anything else.
4. Whoever has the file can get past 1-3: what lies there is compared with the signed checkpoint.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from runner.errors import ConfigError, InfraError
from runner.ledger.folder import on_disk
from runner.ledger.rows import COLUMNS, INSERT, PLACES, MismatchError, Reading, Row, Tip, Writing

ORIGIN = "codex-runner.dev/log/"
"""How the origin of a log begins."""
BUSY_S = 10.0
"""How long another process's transaction is waited for."""
FULL_BYTES = 256 * 1024
"""A disk with less room than this is called full."""
_PAGES = 8000
"""Of the write-ahead log before it is written back: who commits then waits for it, and less than
one in a hundred may."""
_APPLICATION = 0x63725F6C
EXTEND = f"""INSERT INTO entries ({COLUMNS}) SELECT * FROM (VALUES {{}})
    WHERE (SELECT seq FROM entries ORDER BY seq DESC LIMIT 1) IS ?
    AND (SELECT head FROM entries ORDER BY seq DESC LIMIT 1) IS ?"""
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
SCHEMA = MappingProxyType(
    {
        "log": "CREATE TABLE log (origin TEXT PRIMARY KEY) STRICT",
        "entries": """CREATE TABLE entries (
            seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, run TEXT NOT NULL,
            agent TEXT NOT NULL, tenant TEXT NOT NULL, at TEXT NOT NULL, envelope BLOB NOT NULL,
            prev BLOB NOT NULL, head BLOB NOT NULL, nodes BLOB NOT NULL) STRICT""",
        "entries_run": "CREATE INDEX entries_run ON entries (run)",
        "entries_agent": "CREATE INDEX entries_agent ON entries (agent)",
        "entries_kind": "CREATE INDEX entries_kind ON entries (kind)",
        "log_once": f"""CREATE TRIGGER log_once BEFORE INSERT ON log
            WHEN EXISTS (SELECT 1 FROM log) {_REFUSE}""",
        "log_kept": f"CREATE TRIGGER log_kept BEFORE UPDATE ON log {_REFUSE}",
        "log_stays": f"CREATE TRIGGER log_stays BEFORE DELETE ON log {_REFUSE}",
        "entries_next": f"""CREATE TRIGGER entries_next BEFORE INSERT ON entries
            WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), -1) + 1 FROM entries)
            OR NEW.prev IS NOT
                coalesce((SELECT head FROM entries WHERE seq = NEW.seq - 1), zeroblob(32))
            OR EXISTS (SELECT 1 FROM entries WHERE id = NEW.id) {_REFUSE}""",
        "entries_kept": f"CREATE TRIGGER entries_kept BEFORE UPDATE ON entries {_REFUSE}",
        "entries_stay": f"CREATE TRIGGER entries_stay BEFORE DELETE ON entries {_REFUSE}",
    }
)
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_FUNCTION,
}


@dataclass(frozen=True, slots=True)
class SqliteStore:
    """`runner.ledger.rows.Store` in one file; `writing` is for one thread."""

    path: Path
    connection: sqlite3.Connection
    inode: int

    @staticmethod
    def open(path: Path) -> SqliteStore:
        """The ledger at `path`, in a private directory; made when there is none.

        Raises:
            ConfigError: others can read it, or it is somebody else's.
            InfraError: it cannot be read or written, or is no ledger.
        """
        with on_disk(path):
            if not os.path.lexists(path):
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
            require_private(path, stat.S_ISREG, 0o600)
        with _told(path):
            connection = _connected(path)
            try:
                _prepare(connection)
            except BaseException:
                connection.close()
                raise
            return SqliteStore(path, connection, path.stat().st_ino)

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def shared(self) -> bool:
        return False

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        with _told(self.path):
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            with closing(_connect(uri, uri=True)) as connection:
                connection.execute("BEGIN")
                yield Reading(connection.execute)

    @contextmanager
    def writing(self) -> Iterator[Writing]:
        with _told(self.path):
            self._require_same_file()
            execute = self.connection.execute
            execute("BEGIN IMMEDIATE")
            try:
                yield Writing(execute, self._insert)
                execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    execute("ROLLBACK")
                raise

    def extend(self, tip: Tip | None, rows: Sequence[Row]) -> bool:
        """A transaction of one statement: each more would let the other threads in some times."""
        with _told(self.path):
            self._require_same_file()
            places = ", ".join([PLACES] * len(rows))
            values = [value for row in rows for value in row]
            seq, head = tip or (None, None)
            done = self.connection.execute(EXTEND.format(places), (*values, seq, head))
            return done.rowcount == len(rows)

    def examine(self) -> None:
        """Raises MismatchError: the file is damaged, or has other tables and triggers than ours."""
        with self.reading() as reading:
            self.guarded(reading)
            ((found,), *_) = reading.execute("PRAGMA integrity_check(1)", ())
            if found != "ok":
                raise MismatchError(0, f"or a later one is in a damaged file: {found}")

    def guarded(self, reading: Reading) -> None:
        """Raises MismatchError: somebody has taken a trigger away, or added something."""
        question = "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        found = set(reading.execute(question, ()))
        if wrong := sorted({str(name) for name, _ in found ^ set(SCHEMA.items())}):
            raise MismatchError(0, f"and what follows is unguarded: {', '.join(wrong)[:200]}")

    def close(self) -> None:
        self.connection.close()

    def _require_same_file(self) -> None:
        if os.stat(self.path).st_ino != self.inode:
            raise FileNotFoundError(None, "another file has been put in its place")

    def _insert(self, rows: Sequence[Row]) -> None:
        """In one step: the other threads are let in once, not after each row."""
        places = ", ".join([PLACES] * len(rows))
        self.connection.execute(f"{INSERT} {places}", [value for row in rows for value in row])


def _connect(database: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        database, timeout=BUSY_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def _connected(path: Path) -> sqlite3.Connection:
    connection = _connect(str(path))
    try:
        for setting in (
            "journal_mode = WAL",
            "synchronous = FULL",
            f"wal_autocheckpoint = {_PAGES}",
            "recursive_triggers = ON",
            "trusted_schema = OFF",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {setting}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables of a new file; from then on allow nothing but appending."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        ((objects,),) = connection.execute("SELECT count(*) FROM sqlite_schema")
        if not objects:
            for sql in SCHEMA.values():
                connection.execute(sql)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute("INSERT INTO log VALUES (?)", (new_origin(),))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.set_authorizer(_authorize)


def new_origin() -> str:
    return ORIGIN + secrets.token_hex(8)


def _authorize(action: int, table: str | None, *_: object) -> int:
    if action in _ALLOWED or (action == sqlite3.SQLITE_INSERT and table == "entries"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def require_private(path: Path, kind: Callable[[int], bool], mode: int) -> None:
    """Raises ConfigError: it is of another kind, somebody else's, or open to others."""
    found = os.lstat(path)
    if not kind(found.st_mode):
        raise ConfigError(f"{path} is not what a ledger is kept in (link, ...)", f"look at {path}")
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to uid {found.st_uid}, not to you", "run as its owner, or give --state"
        )
    if found.st_mode & 0o077:
        raise ConfigError(f"{path} is open to others", f"chmod {mode:o} {path}")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite and the disk refuse, in the words of this product."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else _why(error, path)
        damaged = type(error) is sqlite3.DatabaseError
        mend = "restore it from a copy" if damaged else f"free space or mend {path.parent}"
        raise InfraError(
            f"cannot use the ledger {path}: {why}", f"{mend}; nothing that failed was acknowledged"
        ) from error


def _why(error: sqlite3.Error, path: Path) -> str:
    """SQLite calls a full disk an I/O error where it is not a row that found no room."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"No space left on device: {error}"
    if code == sqlite3.SQLITE_IOERR:
        disk = os.statvfs(path.parent)
        if disk.f_bavail * disk.f_frsize < FULL_BYTES:
            return f"No space left on device: {error}"
    return str(error)
