"""Signed statements: an in-toto Statement v1 in a DSSE envelope, Ed25519.

What is signed are exact bytes; nobody re-serialises them. Formats:
https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md and
https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md (read 2026-11).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, cast

from runner.records.base import RunId
from runner.records.evidence import PREDICATES, About, AgentId, Kind, Statement

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
_ENVELOPE = (
    b'{"payload":"%%s","payloadType":"%s","signatures":[{"keyid":"%%s","sig":"%%s"}]}'
    % PAYLOAD_TYPE.encode()
)
"""Base64 and hexadecimal digits need no escaping."""
STAMP = "https://codex-runner.dev/attestation/stamp/v1"
"""Annotation of a statement's first subject: when it was made and what it is about. Its nonce makes
two statements of the same words two receipts."""
_NONCES = count(secrets.randbits(64))
"""Never one twice: nobody has to be unable to guess them, and asking the system for each takes a
system call, and a turn of the interpreter's lock."""
_KINDS: Mapping[object, Kind] = {predicate: kind for kind, predicate in PREDICATES.items()}

Json = dict[str, object]


class ReceiptError(ValueError):
    """The envelope is not a receipt signed with this key."""


class UnknownKeyError(ReceiptError):
    """Nobody knows the key it says it is signed with."""


@dataclass(frozen=True, slots=True)
class Unsealed:
    """What a verified envelope says."""

    statement: Json
    kind: Kind | None
    """None = its predicate is none of `PREDICATES`."""
    keyid: str
    payload: bytes
    """The bytes that are signed."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the ledger adds to a statement before it is signed."""

    about: About
    at: datetime
    """Aware, UTC."""


def seal(statement: Statement, signer: Signer, at: datetime | None = None) -> bytes:
    """The envelope of a statement made `at` (None = now), one line of JSON without its end."""
    about = statement.about
    stamp = {
        "agent": about.agent,
        "at": (at or datetime.now(UTC)).isoformat(),
        "nonce": f"{next(_NONCES) % 2**64:016x}",
        "run": about.run,
        "tenant": about.tenant,
    }
    subject: list[Json] = [{"name": n, "digest": d} for n, d in statement.subject.items()]
    subject[0]["annotations"] = {STAMP: stamp}
    return enclose(subject, PREDICATES[statement.kind], statement.predicate, signer)


def enclose(
    subject: Sequence[Mapping[str, object]],
    predicate_type: str,
    predicate: Mapping[str, object],
    signer: Signer,
) -> bytes:
    """`seal` for a predicate of any type."""
    statement = {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    payload = _dumped(statement)
    signature = base64.b64encode(signer.sign(pre_authentication(payload)))
    return _ENVELOPE % (base64.b64encode(payload), signer.keyid.encode(), signature)


def unseal(envelope: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Unsealed:
    """The statement of an envelope signed with the one of `keys` (by key id) that it names.

    1. The envelope is one JSON object without doubled keys, of our payload type.
    2. Its only signature, canonical base64, verifies over the exact payload bytes (PAE).
    3. Only then the payload is parsed; it is a Statement v1.

    Raises:
        ReceiptError: one of these does not hold.
    """
    from cryptography.exceptions import InvalidSignature

    outer = _object(envelope, "envelope")
    if outer.get("payloadType") != PAYLOAD_TYPE:
        raise ReceiptError("its payload type is another")
    payload = _base64(outer.get("payload"))
    keyid, signature = _signature(outer.get("signatures"))
    key = keys.get(keyid)
    if key is None:
        raise UnknownKeyError(f"it is signed with an unknown key, {keyid[:16]!r}")
    try:
        key.verify(signature, pre_authentication(payload))
    except InvalidSignature:
        raise ReceiptError("the signature is not this key's, or the content was changed") from None
    statement = _object(payload, "payload")
    if statement.get("_type") != STATEMENT:
        raise ReceiptError("it is signed, but not an in-toto Statement v1")
    return Unsealed(statement, _kind(statement), keyid, payload)


def stamp_of(statement: Mapping[str, object]) -> Stamp:
    """What `seal` stamped it with.

    Raises:
        ReceiptError: it was not sealed for a ledger.
    """
    try:
        stamp = statement["subject"][0]["annotations"][STAMP]  # type: ignore[index]
        words = [stamp[name] for name in ("run", "agent", "tenant", "at")]
        if not all(isinstance(word, str) for word in words):
            raise TypeError
        run, agent, tenant, at = words
        return Stamp(About(RunId(run), AgentId(agent), tenant), datetime.fromisoformat(at))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ReceiptError("it carries no stamp of a ledger") from error


def unverified(envelope: bytes) -> tuple[Json, Kind | None]:
    """What an envelope says and of which kind it is, whoever signed it.

    Raises:
        ReceiptError: it says nothing that can be read.
    """
    statement = _object(_base64(_object(envelope, "envelope").get("payload")), "payload")
    return statement, _kind(statement)


def pre_authentication(payload: bytes) -> bytes:
    """DSSE's PAE: `DSSEv1 LEN(type) type LEN(payload) payload`."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _dumped(value: object) -> bytes:
    return _ENCODER.encode(value).encode()


def _kind(statement: Json) -> Kind | None:
    predicate_type = statement.get("predicateType")
    return _KINDS.get(predicate_type) if isinstance(predicate_type, str) else None


def _signature(signatures: object) -> tuple[str, bytes]:
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise ReceiptError("it has not exactly one signature")
    (only,) = signatures
    keyid = only.get("keyid") if isinstance(only, dict) else None
    if not isinstance(keyid, str):
        raise ReceiptError("its signature names no key")
    return keyid, _base64(only.get("sig"))


def _object(content: bytes, what: str) -> Json:
    try:
        value = _DECODER.decode(content.decode())
    except (ValueError, RecursionError) as error:
        raise ReceiptError(f"its {what} is not proper JSON") from error
    if not isinstance(value, dict):
        raise ReceiptError(f"its {what} is not a JSON object")
    return cast(Json, value)


def _no_doubles(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("doubled key")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_no_doubles)
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=dict)
"""Read-only mappings are written as objects."""


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ReceiptError("it lacks a payload or a signature")
    try:
        found = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        raise ReceiptError("its base64 is broken") from error
    if binascii.b2a_base64(found, newline=False).decode() != text:
        raise ReceiptError("its base64 is not canonical")
    return found
