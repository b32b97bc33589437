"""Sealed statements: what is signed, and what is not believed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope
from securesystemslib.signer._key import SSlibKey

from runner.ledger.dsse import (
    PAYLOAD_TYPE,
    STAMP,
    STATEMENT,
    ReceiptError,
    Stamp,
    UnknownKeyError,
    seal,
    stamp_of,
    unseal,
    unverified,
)
from runner.ledger.keys import Signer
from runner.records.base import RunId
from runner.records.evidence import PREDICATES, About, AgentId, Kind, Statement

SIGNER, OTHER = (Signer.of(Ed25519PrivateKey.generate()) for _ in range(2))
KEYS = {each.keyid: each.key.public_key() for each in (SIGNER, OTHER)}
AT = datetime(2026, 11, 20, 10, 22, 33, 123456, tzinfo=UTC)
ABOUT = About(RunId("r1"), AgentId("ag_1"), "acme")
WHAT = Statement(
    "decision",
    MappingProxyType({"action": {"sha256": "a" * 64}, "commit": {"gitCommit": "b" * 40}}),
    MappingProxyType({"word": "DENY", "nested": MappingProxyType({"n": 1}), "list": ["\ud800"]}),
    ABOUT,
)
ENVELOPE = seal(WHAT, SIGNER, AT)
Json = dict[str, object]


def test_a_statement_is_in_toto_v1_of_its_kind() -> None:
    told = unseal(ENVELOPE, KEYS)
    assert (told.kind, told.keyid) == ("decision", SIGNER.keyid)
    said = told.statement
    assert said.keys() == {"_type", "subject", "predicateType", "predicate"}
    assert (said["_type"], said["predicateType"]) == (STATEMENT, PREDICATES["decision"])
    assert said["predicate"] == {"word": "DENY", "nested": {"n": 1}, "list": ["\ud800"]}
    first, second = cast(list[Json], said["subject"])
    assert second == {"name": "commit", "digest": {"gitCommit": "b" * 40}}
    stamp = cast(Json, first.pop("annotations"))[STAMP]
    assert first == {"name": "action", "digest": {"sha256": "a" * 64}}
    nonce = cast(Json, stamp).pop("nonce")
    assert isinstance(nonce, str) and len(nonce) == 16
    assert stamp == {"agent": "ag_1", "at": AT.isoformat(), "run": "r1", "tenant": "acme"}


def test_its_stamp_is_read_back() -> None:
    assert stamp_of(unseal(ENVELOPE, KEYS).statement) == Stamp(ABOUT, AT)
    assert unverified(ENVELOPE) == (unseal(ENVELOPE, KEYS).statement, "decision")


@pytest.mark.parametrize("kind", PREDICATES)
def test_every_kind_comes_back(kind: Kind) -> None:
    assert unseal(seal(Statement(kind, {"x": {"sha256": "0"}}, {}), SIGNER), KEYS).kind == kind


def test_an_envelope_is_one_line_of_sorted_json() -> None:
    written = json.dumps(json.loads(ENVELOPE), sort_keys=True, separators=(",", ":")).encode()
    assert written == ENVELOPE


def test_the_same_words_at_one_time_are_never_one_envelope() -> None:
    assert len({seal(WHAT, SIGNER, AT) for _ in range(100)}) == 100


def test_another_implementation_verifies_it() -> None:
    public = KEYS[SIGNER.keyid]
    key = SSlibKey(SIGNER.keyid, "ed25519", "ed25519", {"public": public.public_bytes_raw().hex()})
    outer = json.loads(ENVELOPE)
    envelope = Envelope.from_dict(outer)
    assert envelope.verify([key], 1).keys() == {SIGNER.keyid}
    assert envelope.payload_type == PAYLOAD_TYPE


def test_only_the_key_it_names_counts() -> None:
    with pytest.raises(UnknownKeyError, match="unknown key"):
        unseal(ENVELOPE, {OTHER.keyid: KEYS[OTHER.keyid]})
    renamed = ENVELOPE.replace(SIGNER.keyid.encode(), OTHER.keyid.encode())
    with pytest.raises(ReceiptError, match="not this key's"):
        unseal(renamed, KEYS)


def test_base64_has_one_spelling() -> None:
    outer = json.loads(ENVELOPE)
    signature = outer["signatures"][0]["sig"]
    assert signature.endswith("==")
    alike = signature[:-3] + chr(ord(signature[-3]) + 1) + "=="  # the same 64 bytes
    assert base64.b64decode(alike) == base64.b64decode(signature)
    with pytest.raises(ReceiptError, match="canonical"):
        unseal(ENVELOPE.replace(signature.encode(), alike.encode()), KEYS)


def test_a_float_that_is_no_json_is_not_signed() -> None:
    with pytest.raises(ValueError, match="JSON"):
        seal(Statement("score", {"x": {}}, {"n": float("nan")}), SIGNER)


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"subject": []},
        {"subject": {}},
        {"subject": [{}]},
        {"subject": [{"annotations": {STAMP: {}}}]},
        {"subject": [{"annotations": {STAMP: {"run": 1, "agent": "", "tenant": "", "at": ""}}}]},
        {"subject": [{"annotations": {STAMP: {"run": "", "agent": "", "tenant": "", "at": "x"}}}]},
        {"subject": [{"annotations": {STAMP: None}}]},
    ],
)
def test_a_statement_without_a_stamp(statement: Json) -> None:
    with pytest.raises(ReceiptError, match="no stamp"):
        stamp_of(statement)


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 7))
def test_no_flipped_bit_passes(at: int, bit: int) -> None:
    bad = ENVELOPE[:at] + bytes([ENVELOPE[at] ^ (1 << bit)]) + ENVELOPE[at + 1 :]
    with pytest.raises(ReceiptError):
        unseal(bad, KEYS)
