"""Keys made, replaced and revoked: files of `runner.ledger.keys`, and the ledger's `key` entries.

1. Every change is an approver's word, in the ledger before anything happens to a file.
2. A new key is a file beside the old one first; only when the ledger knows it, it takes its place.
   What was interrupted between is finished by the same command.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from runner.errors import ConfigError
from runner.ledger.folder import on_disk, private_directory, replace
from runner.ledger.founding import own_changes
from runner.ledger.keyring import Change, Ring, TrustedKey, history_file, local_ring, read_history
from runner.ledger.keys import (
    Signer,
    has_key,
    in_pem,
    kept_signer,
    key_file,
    local_signer,
    new_key,
    public_key,
    require_outside,
)
from runner.ledger.kms import remote_key
from runner.live import LIVE, found
from runner.ports import Ledger
from runner.records.base import Sha256
from runner.records.evidence import Role, Statement

NEXT = ".next.key"


class Log(Ledger, Protocol):
    """A ledger that knows how many entries it has."""

    @property
    def size(self) -> int: ...


Open = Callable[[Path, Mapping[Role, Signer]], AbstractContextManager[Log]]


@dataclass(frozen=True, slots=True)
class Keeper:
    """Of the keys of one state directory; `open` is `runner.ledger.ledger.open_ledger`."""

    state: Path
    open: Open

    def create(self, role: Role, uri: str = "", public: bytes = b"") -> TrustedKey:
        """The first key of a role; the first of all to be made is the approver's.

        Raises:
            ConfigError: there is one, or no approver who could say so.
        """
        place = key_file(self.state, role)
        if has_key(self.state, role) and (role == "gate" or self._known(kept_signer(place))):
            raise ConfigError(
                f"there is a key of the {role} already", f"codex-runner keys rotate {role}"
            )
        if role != "gate" or read_history(self.state):
            _require_approver(self.state, role)
        with on_disk(place):
            private_directory(place.parent)
        _make(place, uri, public)
        signer = kept_signer(place)
        if role != "gate" or read_history(self.state):
            self._add(role, signer, None)
        return local_ring(self.state).keys[signer.keyid]

    def rotate(self, role: Role, uri: str = "", public: bytes = b"") -> TrustedKey:
        """A new key in the place of the role's; the old one signs it, and is destroyed.

        Raises:
            ConfigError: the role has none, there is no approver, or runs are going on.
        """
        place = key_file(self.state, role)
        if not has_key(self.state, role):
            raise ConfigError(f"there is no key of the {role}", f"codex-runner keys create {role}")
        _require_approver(self.state, "gate")
        _require_quiet(self.state)
        coming = place.with_name(f"{place.stem}{NEXT}")
        _make(coming, uri, public)
        old, new = kept_signer(place), kept_signer(coming)
        if new.keyid not in local_ring(self.state).keys:
            self._add(role, new, old)
        with on_disk(place):
            for suffix in (".pub", ".uri", ".key"):
                _move(coming.with_suffix(suffix), place.with_suffix(suffix))
        return local_ring(self.state).keys[new.keyid]

    def revoke(self, keyid: str, reason: str) -> TrustedKey:
        """From here on, what this key (an id or its beginning) signs does not count.

        Raises:
            ConfigError: no such key, it is the approver's own, or that is not in use any more.
        """
        key = self.find(keyid)
        if key.ended == "revoked":
            raise ConfigError(f"key {key.keyid[:16]} is revoked already", "codex-runner keys list")
        _require_approver(self.state, "gate")
        if key.keyid == kept_signer(key_file(self.state, "approver")).keyid:
            raise ConfigError(
                f"key {key.keyid[:16]} is the approver's: nobody could speak for the next one",
                "codex-runner keys rotate approver, and revoke this one then",
            )
        with self._opened() as ledger:
            self._append(
                ledger,
                Change(
                    event="revoke",
                    key=Sha256(key.keyid),
                    role=key.role,
                    reason=reason,
                    at=datetime.now(UTC),
                    position=ledger.size,
                ),
            )
        return local_ring(self.state).keys[key.keyid]

    def find(self, prefix: str) -> TrustedKey:
        """Raises ConfigError: none begins so, or several do."""
        keys = local_ring(self.state).keys
        fitting = [key for name, key in keys.items() if prefix and name.startswith(prefix)]
        if len(fitting) != 1:
            what = f"fits {len(fitting)} keys" if fitting else "is no key of this state directory"
            raise ConfigError(f"{prefix!r} {what}", "codex-runner keys list")
        return fitting[0]

    def restore(self) -> None:
        """The history's file, anew from the ledger."""
        with self._opened():
            pass

    def _known(self, signer: Signer) -> bool:
        """Whether the ledger was told of it."""
        return bool(read_history(self.state)) and signer.keyid in local_ring(self.state).keys

    def _add(self, role: Role, new: Signer, old: Signer | None) -> None:
        gate = new if role == "gate" else local_signer(self.state)
        with self._opened(gate) as ledger:
            founding = not read_history(self.state)
            endorsers = [new, *([old] if old else []), *([gate] if founding else [])]
            self._append(ledger, _addition(role, new, old, endorsers, ledger.size, ledger.size))
            if founding:  # the approver's word for the key of the gate that was there before
                self._append(ledger, _addition("gate", gate, None, [gate], ledger.size, 0))

    def _append(self, ledger: Log, change: Change) -> None:
        """Raises ConfigError: the approver's key does not count any more; its word would make the
        history one that nobody believes."""
        local_signer(self.state, "approver")
        subject = {"key": {"sha256": change.key}}
        ledger.append(Statement("key", subject, change.model_dump(mode="json")))
        self._keep(ledger)

    def _keep(self, ledger: Log) -> None:
        changes = [entry.envelope for entry in ledger.entries(kinds=("key",))]
        before = read_history(self.state)
        approver = kept_signer(key_file(self.state, "approver")).keyid
        gate = Ring.of(("gate", kept_signer(key_file(self.state, "gate")).key.public_key()))
        own = own_changes(changes, before, approver, gate)
        lines = b"".join(each + b"\n" for each in own)
        if own and lines != before:
            with on_disk(history_file(self.state)):
                replace(history_file(self.state), lines)

    @contextmanager
    def _opened(self, gate: Signer | None = None) -> Iterator[Log]:
        gate = gate or kept_signer(key_file(self.state, "gate"))
        approver = kept_signer(key_file(self.state, "approver"))
        with self.open(self.state, {"gate": gate, "approver": approver}) as ledger:
            self._keep(ledger)  # what an interrupted change left undone
            yield ledger


def _addition(
    role: Role, new: Signer, old: Signer | None, endorsers: list[Signer], position: int, since: int
) -> Change:
    change = Change(
        event="add",
        key=Sha256(new.keyid),
        role=role,
        public=in_pem(new.key.public_key()).decode(),
        replaces=Sha256(old.keyid) if old else None,
        at=datetime.now(UTC),
        position=position,
        since=since,
    )
    said = change.endorsed()
    signatures = {each.keyid: base64.b64encode(each.sign(said)).decode() for each in endorsers}
    return change.model_copy(update={"endorsements": signatures})


def _require_approver(state: Path, role: Role) -> None:
    if role != "approver" and not has_key(state, "approver"):
        raise ConfigError(
            "a change of keys is an approver's word, and there is no key of one",
            "codex-runner keys create approver",
        )


def _require_quiet(state: Path) -> None:
    """A run that goes on signs with the key it began with."""
    if True in found(state / LIVE):
        raise ConfigError("runs are going on", "wait for their end: codex-runner list")


def _make(place: Path, uri: str, public: bytes) -> None:
    """A key's files, unless they are there."""
    require_outside(place)
    if place.exists() or place.with_suffix(".uri").exists():
        return
    if not uri:
        new_key(place)
        return
    try:
        key = public_key(public)
    except ValueError:
        raise ConfigError(
            f"what belongs to {uri} is no Ed25519 public key in PEM", "--public PUB.pem"
        ) from None
    remote_key(uri, key).sign(b"codex-runner: does this key sign?\n")
    with on_disk(place):
        replace(place.with_suffix(".pub"), in_pem(key))
        replace(place.with_suffix(".uri"), uri.encode() + b"\n")


def _move(source: Path, target: Path) -> None:
    if source.exists():
        os.replace(source, target)
    else:
        target.unlink(missing_ok=True)
