"""A PostgreSQL server of this test session: on a UNIX socket, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PLACES = ("/usr/lib/postgresql", "/usr/pgsql")
USER = "postgres"
"""Who runs it when we are root, as whom it refuses to."""


@dataclass(frozen=True, slots=True)
class Server:
    """`address(...)` of a database in it; the superuser is `admin`."""

    socket: Path

    def address(self, database: str, user: str) -> str:
        return f"postgresql://{user}@/{database}?host={self.socket}"


def binaries() -> Path | None:
    """Where `initdb` and `postgres` are; None = not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    every = [p for place in PLACES for p in Path(place).glob("*/bin") if (p / "initdb").exists()]
    return max(every, default=None)


@contextmanager
def postgres(where: Path) -> Iterator[Server]:
    """`where` are its binaries; gone, with everything in it, at the end."""
    home = Path(tempfile.mkdtemp(prefix="codex-runner-pg-", dir="/tmp"))  # a short path: a socket's
    data = home / "data"
    if os.geteuid() == 0:
        shutil.chown(home, USER)
    try:
        _run(
            [where / "initdb", "-D", data, "-U", "admin", "-A", "trust", "-N", "--no-instructions"]
        )
        options = f"-c listen_addresses= -c fsync=off -k {home}"
        _run([where / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", options, "start"])
        try:
            yield Server(home)
        finally:
            _run([where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"])
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(argv: list[str | Path]) -> None:
    """As the user it may be run as."""
    user = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    done = subprocess.run(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        text=True,
        **user,  # type: ignore[call-overload]
    )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed: {done.stderr[-500:]}")
