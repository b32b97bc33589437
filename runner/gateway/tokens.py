"""Credentials of who connects over TCP, and of people: a file of hashes, mode 0600.

    {"tokens": [{"sha256": "...", "role": "agent", "name": "ci", "agent": "ag_...", "tenant": ""}]}

A token has 256 bits of chance, so a plain hash of it tells nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
from pathlib import Path

from pydantic import Field, ValidationError

from runner.errors import ConfigError
from runner.gateway.callers import AccessRole, Caller
from runner.live import hold
from runner.records.base import Record, Sha256
from runner.records.evidence import AgentId

MAX_BYTES = 1024 * 1024


class Token(Record):
    """One credential; `name` is the person's, or what the agent is called."""

    sha256: Sha256 = Field(pattern=r"^[0-9a-f]{64}$")
    role: AccessRole
    name: str = Field(min_length=1, max_length=100)
    agent: AgentId = AgentId("")
    """Of the role `agent`."""
    tenant: str = ""


class TokenFile(Record):
    """All of them."""

    tokens: tuple[Token, ...] = ()


class Tokens:
    """Who has which token. A file that changes is read again; broken, it knows nobody."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError: the file is there and is not private, or not what it has to be."""
        self._path = path
        self._stamp = _stamp(path)
        self._callers = _callers(path)

    def __call__(self, token: str) -> Caller | None:
        return self._now().get(_digest(token))

    def resolve(self) -> bool:
        """Whether somebody may answer requests to people."""
        return any(caller.resolves for caller in self._now().values())

    def _now(self) -> dict[Sha256, Caller]:
        if (stamp := _stamp(self._path)) != self._stamp:
            try:
                self._callers = _callers(self._path)
            except ConfigError:
                self._callers = {}
            self._stamp = stamp
        return self._callers


def issue(path: Path, role: AccessRole, name: str, agent: AgentId, tenant: str) -> str:
    """A new token, shown once: the file keeps its hash. Raises ConfigError: as `Tokens`."""
    secret = f"crt_{secrets.token_urlsafe(32)}"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = hold(path.with_name(f".{path.name}.lock"), fcntl.LOCK_EX)
    try:
        made = Token(sha256=_digest(secret), role=role, name=name, agent=agent, tenant=tenant)
        kept = TokenFile(tokens=(*_read(path).tokens, made))
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(kept.model_dump_json(indent=1).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        os.close(lock)
    return secret


def _read(path: Path) -> TokenFile:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return TokenFile()
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
            raise _wrong(path, "is open to others, or no regular file")
        if found.st_uid not in {0, os.geteuid()}:
            raise _wrong(path, "belongs to another user")
        data = file.read(MAX_BYTES + 1)
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"over {MAX_BYTES} bytes")
        return TokenFile.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _wrong(path, f"{where}: {first['msg']}") from error
    except ValueError as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"the tokens file {path}: {why}",
        f"chmod 600 {path}, or make it anew with `codex-runner gateway token`",
    )


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Another one = it was replaced or written to."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_size


def _callers(path: Path) -> dict[Sha256, Caller]:
    return {token.sha256: _caller(token) for token in _read(path).tokens}


def _caller(token: Token) -> Caller:
    agent = token.agent if token.role == "agent" else None
    return Caller(agent or None, token.tenant, role=token.role, name=token.name)


def _digest(token: str) -> Sha256:
    return Sha256(hashlib.sha256(token.encode(errors="replace")).hexdigest())
