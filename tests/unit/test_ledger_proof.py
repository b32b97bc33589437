"""Notes, checkpoints and proofs, byte for byte as C2SP has them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from runner.ledger.checkpoint import Checkpoint, read_checkpoint
from runner.ledger.keys import Signer
from runner.ledger.merkle import EMPTY, leaf_hash
from runner.ledger.note import NoteError, open_note, sign, split
from runner.ledger.proof import Proof, proof_of, read_proof

SIGNER, OTHER = (Signer.of(Ed25519PrivateKey.generate()) for _ in range(2))
KEY = SIGNER.key.public_key()
ORIGIN = "codex-runner.dev/log/0123456789abcdef"
ROOT = hashlib.sha256(b"root").digest()
CHECKPOINT = Checkpoint(ORIGIN, 3, ROOT)
NOTE = CHECKPOINT.signed(SIGNER)

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)
GO_NOTE = f"""If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann {GO_SIGNATURE}
"""
"""The example of golang.org/x/mod/sumdb/note: a note by another implementation, and its key."""


def test_another_implementations_note_is_opened() -> None:
    name, hint, encoded = GO_KEY.split("+", 2)
    kind, public = base64.b64decode(encoded)[:1], base64.b64decode(encoded)[1:]
    assert kind == b"\1"
    key = Ed25519PublicKey.from_public_bytes(public)
    assert split(GO_NOTE.encode())[1][0][1][:4].hex() == hint
    assert open_note(GO_NOTE.encode(), name, [key]).startswith("If you think")
    with pytest.raises(NoteError, match="its signature is wrong"):
        open_note(GO_NOTE.replace("answer", "question").encode(), name, [key])


def test_text_ends_at_the_last_empty_line() -> None:
    text = "one\n\n\u2014 not a signature\n\ntwo è\n"
    assert open_note(sign(text, ORIGIN, SIGNER), ORIGIN, [KEY]) == text


def test_a_note_is_text_an_empty_line_and_signatures() -> None:
    text, _, line = NOTE.decode().partition("\n\n")
    assert text == f"{ORIGIN}\n3\n{base64.b64encode(ROOT).decode()}"
    dash, name, encoded = line[:-1].split(" ")
    assert (dash, name) == ("\u2014", ORIGIN)
    signature = base64.b64decode(encoded)
    content = ORIGIN.encode() + b"\n\1" + KEY.public_bytes_raw()
    assert signature[:4] == hashlib.sha256(content).digest()[:4]
    KEY.verify(signature[4:], text.encode() + b"\n")


def test_signatures_of_strangers_are_passed_over() -> None:
    stranger = CHECKPOINT.signed(OTHER).decode().splitlines()[-1]
    both = NOTE + stranger.encode() + b"\n"
    assert read_checkpoint(both, [KEY]) == CHECKPOINT
    assert read_checkpoint(both, [OTHER.key.public_key()]) == CHECKPOINT
    with pytest.raises(NoteError, match="no known key"):
        read_checkpoint(NOTE, [OTHER.key.public_key()])
    with pytest.raises(NoteError, match="no known key"):
        read_checkpoint(NOTE, [])


def test_a_wrong_signature_of_a_known_key_is_not_made_good_by_another() -> None:
    name, _, line = NOTE.decode().splitlines()[-1].rpartition(" ")
    good = base64.b64decode(line)
    broken = good[:4] + bytes([good[4] ^ 1]) + good[5:]
    both = NOTE + f"{name} {base64.b64encode(broken).decode()}\n".encode()
    with pytest.raises(NoteError, match="its signature is wrong"):
        read_checkpoint(both, [KEY])


def test_the_key_speaks_only_under_the_name_of_the_log() -> None:
    note = sign(f"{ORIGIN}\n3\n{base64.b64encode(ROOT).decode()}\n", "example.com/other", SIGNER)
    with pytest.raises(NoteError, match="no known key signed it as"):
        read_checkpoint(note, [KEY])
    with pytest.raises(NoteError, match="of another log"):
        read_checkpoint(NOTE, [KEY], "example.com/other")


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n",
        f"{ORIGIN}\n3\n",
        f"{ORIGIN}\n03\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n-3\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n\u0663\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n3\n{base64.b64encode(ROOT[1:]).decode()}\n",
        f"{ORIGIN}\n3\n{base64.b64encode(ROOT).decode()[:-1]}\n",
        f"{ORIGIN}\n0\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n3\n\n{base64.b64encode(ROOT).decode()}\n",
        f"{ORIGIN}\n3\n{base64.b64encode(ROOT).decode()}\n\nmore\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteError):
        read_checkpoint(sign(text, ORIGIN, SIGNER), [KEY])


def test_extension_lines_are_passed_over() -> None:
    text = f"{ORIGIN}\n0\n{base64.b64encode(EMPTY).decode()}\nmore\n"
    assert read_checkpoint(sign(text, ORIGIN, SIGNER), [KEY]) == Checkpoint(ORIGIN, 0, EMPTY)


@pytest.mark.parametrize("text", ["no end", "a\0b\n", "tab\t\n"])
def test_what_cannot_be_a_note_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign(text, ORIGIN, SIGNER)
    with pytest.raises(NoteError):
        sign("text\n", "a name", SIGNER)


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        "text\n\n\u2014 name\n".encode(),
        "text\n\n\u2014 na me AAAAAAAA\n".encode(),
        "text\n\n\u2014 name AAAA\n".encode(),
        "text\n\n\u2014 name AAAAAAB=\n".encode(),
        "text\n\n\u2014 name AAAAAAAA".encode(),
        "te\rxt\n\n\u2014 name AAAAAAAA\n".encode(),
        b"\xff\n\n",
        b"a" * 70_000,
    ],
)
def test_broken_notes(note: bytes) -> None:
    with pytest.raises(NoteError):
        split(note)


ENVELOPE = b"{}"
PATH = (b"\1" * 32, b"\2" * 32)


def test_a_proof_is_its_text() -> None:
    text = proof_of(2, PATH, NOTE)
    one, two = (base64.b64encode(each).decode() for each in PATH)
    assert text == f"c2sp.org/tlog-proof@v1\nindex 2\n{one}\n{two}\n\n".encode() + NOTE
    assert read_proof(text) == Proof(2, PATH, NOTE)
    alone = proof_of(0, (), NOTE)
    assert alone == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + NOTE
    assert read_proof(alone) == Proof(0, (), NOTE)


def test_anothers_extra_is_read() -> None:
    text = proof_of(0, (), NOTE).replace(b"\nindex", b"\nextra aGVsbG8=\nindex")
    assert read_proof(text).extra == b"hello"


def test_a_proof_of_the_only_entry() -> None:
    note = Checkpoint(ORIGIN, 1, leaf_hash(ENVELOPE)).signed(SIGNER)
    proof = read_proof(proof_of(0, (), note))
    assert proof.verify(ENVELOPE, [KEY], ORIGIN).size == 1
    with pytest.raises(NoteError, match="does not lead"):
        proof.verify(b"{ }", [KEY])
    with pytest.raises(NoteError, match="no known key"):
        proof.verify(ENVELOPE, [OTHER.key.public_key()])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 2", b"index 02"),
        (b"index 2", b"index -2"),
        (b"index 2\n", b""),
        (b"index 2", b"index 2\nindex 2"),
        (b"index 2", b"extra !\nindex 2"),
        (b"AQEB", b"AQE"),
        (b"AQEB", b"AQEBAQEB"),
        (b"\n\n", b"\n"),
        (b"index 2\n", b"index 2\n" + b"AAAA" * 10 + b"AAA=\n" * 70),
        (b"c2sp", b"\xff"),
    ],
)
def test_broken_proofs(old: bytes, new: bytes) -> None:
    with pytest.raises(NoteError):
        read_proof(proof_of(2, PATH, NOTE).replace(old, new)).verify(ENVELOPE, [KEY])


@given(st.binary(max_size=200))
def test_no_bytes_are_an_accident(data: bytes) -> None:
    for read in (split, read_proof):
        with pytest.raises(NoteError):
            read(data)


@given(st.integers(0, len(NOTE) - 1), st.integers(0, 7))
def test_no_flipped_bit_of_a_checkpoint_passes(at: int, bit: int) -> None:
    bad = NOTE[:at] + bytes([NOTE[at] ^ (1 << bit)]) + NOTE[at + 1 :]
    with pytest.raises(NoteError):
        read_checkpoint(bad, [KEY], ORIGIN)
