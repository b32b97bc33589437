"""Whose word counts, for what, and from which entry of the ledger to which.

1. A key has one role; a statement counts only in the role of its kind (`records.evidence.SIGNERS`).
2. Keys change by `key` statements of an approver, kept in the ledger and, in their order, in
   `STATE/keys/history.jsonl`. Only keys that were given (roots), or that these lead to, count.
3. The first approver has nobody above: a key of the gate endorses it.
4. A new key signs that it is there; the key it replaces endorses it as well.
5. What a key signed before it was replaced or revoked counts, what it signs afterwards does not.
   Before and after are places in the ledger, which nobody can date back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidSignature
from pydantic import Field, ValidationError

from runner.errors import ConfigError
from runner.ledger.dsse import ReceiptError, UnknownKeyError, Unsealed, unseal
from runner.ledger.keys import KEYS, key_id, local_public_key, public_key
from runner.records.base import Record, Sha256
from runner.records.evidence import PREDICATES, SIGNERS, Role

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HISTORY = "history.jsonl"
_ENDORSED = b"codex-runner key endorsement v1\n"


class UncountedError(UnknownKeyError):
    """A known key's word, at a place where it does not count."""


class Change(Record):
    """The predicate of a `key` statement."""

    event: Literal["add", "revoke"]
    key: Sha256
    """Its id."""
    role: Role
    public: str = ""
    """In PEM, of one that is added."""
    replaces: Sha256 | None = None
    """The key of the same role that ends with it."""
    reason: str = ""
    """Of a revocation."""
    at: datetime
    """Aware, UTC."""
    position: int = Field(ge=0)
    """Entries of the ledger before it; never less than that of the change before."""
    since: int = Field(default=0, ge=0)
    """The first entry that a key that is added speaks for."""
    endorsements: dict[str, str] = Field(default_factory=dict)
    """Key id -> signature over `endorsed`, in base64."""

    def endorsed(self) -> bytes:
        """What those who endorse it sign."""
        return _ENDORSED + self.model_copy(update={"endorsements": {}}).canonical()


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One key, its role, and the entries of the ledger it speaks for."""

    keyid: str
    role: Role
    public: Ed25519PublicKey
    since: int = 0
    until: int | None = None
    """None = still."""
    ended: Literal["", "replaced", "revoked"] = ""
    ended_at: datetime | None = None
    reason: str = ""

    def require(self, role: Role, position: int | None) -> None:
        """Raises ReceiptError: it does not speak in this role, or not at this entry."""
        if self.role != role:
            raise ReceiptError(f"that is for the {role}'s key to say, and it is the {self.role}'s")
        if position is not None and position < self.since:
            raise UncountedError(f"its key came into use later, at entry {self.since}")
        if position is not None and self.until is not None and position >= self.until:
            raise UncountedError(f"its key was {self.ended} before, at entry {self.until}")


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys that count, by id."""

    keys: Mapping[str, TrustedKey] = field(default_factory=lambda: MappingProxyType({}))
    changes: frozenset[str] = frozenset()
    """SHA-256 of the history's lines that counted, wherever in the ledger they are."""

    @staticmethod
    def of(*roots: tuple[Role, Ed25519PublicKey]) -> Ring:
        """Keys that were given by a person."""
        keys = (TrustedKey(key_id(public), role, public) for role, public in roots)
        return Ring({key.keyid: key for key in keys})

    def beside(self, other: Ring) -> Ring:
        """With keys of another that are not known here."""
        return Ring({**other.keys, **self.keys}, self.changes)

    def public(self, role: Role | None = None) -> dict[str, Ed25519PublicKey]:
        """By id, ended ones included; None = of all roles."""
        return {k.keyid: k.public for k in self.keys.values() if role in {None, k.role}}

    def current(self, role: Role) -> TrustedKey | None:
        """The one that is in use."""
        found = [k for k in self.keys.values() if k.role == role and not k.ended]
        return found[-1] if found else None

    def unseal(self, envelope: bytes, position: int | None = None) -> Unsealed:
        """A statement that counts at this entry of the ledger (None = wherever it is).

        Raises:
            ReceiptError: it does not, and why.
        """
        found = unseal(envelope, self.public())
        role = SIGNERS[found.kind] if found.kind else "gate"
        counted = self.changes and hashlib.sha256(envelope).hexdigest() in self.changes
        self.keys[found.keyid].require(role, None if counted else position)
        return found

    def follow(self, history: bytes) -> Ring:
        """With what these changes add and end. Those whose signer is unknown add nothing.

        Raises:
            ReceiptError: one that a known key signed is not right.
        """
        ring, position = self, 0
        for number, line in enumerate(history.splitlines(), 1):
            try:
                change = _read(line)
                if change.position < position:
                    raise ReceiptError("it claims a place before the one above it")
                ring, position = ring._changed(line, change), change.position
            except ReceiptError as error:
                raise ReceiptError(f"history of keys, line {number}: {error}") from error
        return ring

    def _changed(self, envelope: bytes, change: Change) -> Ring:
        digest = hashlib.sha256(envelope).hexdigest()
        if digest in self.changes:
            return self  # it counted where it stands; its signer may have ended since
        approvers = self.public("approver")
        if approvers:
            if _signer(envelope) not in approvers:
                return self
        elif not self._founded_by(change):
            return self
        else:
            approvers = {change.key: _public(change)}
        found = unseal(envelope, approvers)
        if found.keyid in self.keys:
            self.keys[found.keyid].require("approver", change.position)
        ring = self._revoked(change) if change.event == "revoke" else self._added(change)
        return Ring(ring.keys, self.changes | {digest})

    def _founded_by(self, change: Change) -> bool:
        """The first approver, endorsed by a key of the gate."""
        first = change.event == "add" and change.role == "approver"
        return first and any(
            _endorses(change, keyid, public) for keyid, public in self.public("gate").items()
        )

    def _added(self, change: Change) -> Ring:
        public, keys = _public(change), dict(self.keys)
        if not _endorses(change, change.key, public):
            raise ReceiptError("the new key has not signed that it is there")
        old = keys.get(change.replaces or "")
        if old is not None:
            if old.role != change.role:
                raise ReceiptError("it replaces a key of another role")
            if change.replaces in change.endorsements and not _endorses(
                change, old.keyid, old.public
            ):
                raise ReceiptError("the key it replaces has not endorsed it")
            if not old.ended:
                keys[old.keyid] = _ended(old, change, "replaced")
        known = keys.get(change.key)
        if known is None:
            new = TrustedKey(change.key, change.role, public, since=change.since)
            return Ring({**keys, new.keyid: new})
        if known.role != change.role:
            raise ReceiptError(f"it makes the {known.role}'s key the {change.role}'s")
        return Ring(keys)

    def _revoked(self, change: Change) -> Ring:
        key = self.keys.get(change.key)
        if key is None or key.ended == "revoked":
            return self
        return Ring({**self.keys, key.keyid: _ended(key, change, "revoked")})


def local_ring(state: Path) -> Ring:
    """The keys of this state directory, from the first to the last: the gate's, or those that the
    history tells of since there is one. It is believed where it lies, as the keys are.

    Raises:
        ConfigError: a public key or the history is not what it was.
    """
    history, gate = read_history(state), local_public_key(state)
    try:
        if history:
            return founded(history)
        return Ring.of(*((("gate", gate),) if gate else ()))
    except ReceiptError as error:
        raise ConfigError(
            f"{history_file(state)} is not what it was: {error}",
            "codex-runner keys list --restore writes it anew from the ledger",
        ) from error


def founded(history: bytes) -> Ring:
    """The keys that its first line's leads to. Raises ReceiptError: it is not what it was."""
    first = _read(history.splitlines()[0])
    return Ring.of(("approver", _public(first))).follow(history)


def history_file(state: Path) -> Path:
    """The changes of keys, one envelope a line."""
    return state / KEYS / HISTORY


def read_history(state: Path) -> bytes:
    """Its bytes; empty = no key ever changed."""
    try:
        return history_file(state).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ConfigError(
            f"cannot read {history_file(state)}: {error.strerror}", "mend its permissions"
        ) from error


def ending_of(state: Path, keyid: str) -> str:
    """Why nobody believes what this key signs any more; empty = it is believed."""
    if not read_history(state):
        return ""
    key = local_ring(state).keys.get(keyid)
    if key is None:
        return "never made known to the ledger"
    return key.ended and f"{key.ended}: {key.reason or 'another is used'}"


def _ended(key: TrustedKey, change: Change, how: Literal["replaced", "revoked"]) -> TrustedKey:
    until = change.position if key.until is None else min(key.until, change.position)
    return replace(key, until=until, ended=how, ended_at=change.at, reason=change.reason)


def _endorses(change: Change, keyid: str, public: Ed25519PublicKey) -> bool:
    try:
        signature = base64.b64decode(change.endorsements.get(keyid, ""), validate=True)
        public.verify(signature, change.endorsed())
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _public(change: Change) -> Ed25519PublicKey:
    try:
        public = public_key(change.public.encode())
    except ValueError as error:
        raise ReceiptError("it adds what is no key") from error
    if key_id(public) != change.key:
        raise ReceiptError("it adds another key than it names")
    return public


def _read(envelope: bytes) -> Change:
    """What it says, whoever signed it."""
    try:
        statement = json.loads(base64.b64decode(json.loads(envelope)["payload"], validate=True))
        if statement["predicateType"] != PREDICATES["key"]:
            raise ReceiptError("it is no change of keys")
        return Change.model_validate_json(json.dumps(statement["predicate"]))
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        if isinstance(error, ReceiptError):
            raise
        raise ReceiptError("it is no change of keys") from error


def _signer(envelope: bytes) -> str:
    signatures = json.loads(envelope).get("signatures")
    try:
        return str(signatures[0]["keyid"])
    except (TypeError, KeyError, IndexError) as error:
        raise ReceiptError("it names no key") from error
