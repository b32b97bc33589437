"""What is found in a run's folder while it is verified: receipts with signature and proof."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from runner.ledger import statements
from runner.ledger.chain import receipt_id
from runner.ledger.checkpoint import Checkpoint, read_checkpoint
from runner.ledger.dsse import Json, ReceiptError, Unsealed
from runner.ledger.folder import RunFolder
from runner.ledger.keyring import Ring
from runner.ledger.merkle import leaf_hash, verify_inclusion
from runner.ledger.note import NoteError
from runner.ledger.proof import Proof, read_proof
from runner.ledger.recording import RECEIPTS, line
from runner.records.evidence import Kind
from runner.records.report import RunReport


@dataclass(frozen=True, slots=True)
class Receipt:
    """One line of receipts.jsonl, its signature verified."""

    envelope: bytes
    proof: Proof
    said: Unsealed
    id: str

    @property
    def predicate(self) -> Json:
        return as_object(self.said.statement.get("predicate"), "predicate")

    @property
    def digests(self) -> dict[str, object]:
        """Of its subjects, by name."""
        found = self.said.statement.get("subject")
        rows = found if isinstance(found, list) else []
        return {str(row.get("name")): row.get("digest") for row in rows if isinstance(row, dict)}

    def is_of_run(self, kind: Kind) -> bool:
        """An intent or outcome of the run itself, not of one of its actions."""
        return self.said.kind == kind and self.predicate.get("what") == statements.RUN


@dataclass(slots=True)
class Evidence:
    """What the steps have found so far."""

    folder: RunFolder
    ring: Ring
    checkpoint: Checkpoint | None = None
    receipts: list[Receipt] = field(default_factory=list)
    run: Json = field(default_factory=dict)
    """The predicate of the provenance, and the digests of its subjects."""
    subjects: dict[str, object] = field(default_factory=dict)
    intent: Json = field(default_factory=dict)
    outcome: Json = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    report: RunReport | None = None

    @property
    def told(self) -> RunReport:
        assert self.report is not None
        return self.report

    def file(self, name: str) -> bytes:
        """Raises ReceiptError: it is not there."""
        content = self.folder.read(name)
        if content is None:
            raise ReceiptError(f"{name} is missing")
        return content

    def last(self, kind: Kind) -> Receipt | None:
        found = [each for each in self.receipts if each.said.kind == kind]
        return found[-1] if found else None


def read_receipts(content: bytes, ring: Ring) -> list[Receipt]:
    """Lines of receipts.jsonl. Raises ReceiptError: the first one that does not count."""
    found = []
    for number, raw in enumerate(content.splitlines(keepends=True), 1):
        try:
            found.append(_receipt(raw, ring))
        except (ReceiptError, NoteError) as error:
            raise ReceiptError(f"{RECEIPTS}, line {number}: {error}") from error
    if not found:
        raise ReceiptError(f"{RECEIPTS} is empty")
    return found


def require_logged(receipts: Sequence[Receipt], note: bytes, checkpoint: Checkpoint) -> None:
    """Each is in the log, one after the other. Raises ReceiptError: the first one that is not."""
    before = -1
    for number, each in enumerate(receipts, 1):
        proof, leaf = each.proof, leaf_hash(each.envelope)
        if proof.checkpoint != note or proof.extra:
            raise ReceiptError(f"{RECEIPTS}, line {number}: its proof leads to another checkpoint")
        if not verify_inclusion(leaf, proof.index, checkpoint.size, proof.path, checkpoint.root):
            raise ReceiptError(f"{RECEIPTS}, line {number}: its proof does not lead to the root")
        if proof.index <= before:
            raise ReceiptError(f"{RECEIPTS}, line {number}: not in the order of the log")
        before = proof.index


def opened_checkpoint(note: bytes, ring: Ring) -> Checkpoint:
    """Raises NoteError, ReceiptError: no key of the gate that counts there has signed it."""
    for key in ring.keys.values():
        if key.role == "gate":
            try:
                found = read_checkpoint(note, [key.public])
            except NoteError:
                continue
            key.require("gate", max(0, found.size - 1))
            return found
    return read_checkpoint(note, ring.public("gate").values())


def as_object(value: object, what: str) -> Json:
    """Raises ReceiptError: it is none."""
    if not isinstance(value, dict):
        raise ReceiptError(f"its {what} is no object")
    return cast(Json, value)


def as_rows(value: object, what: str) -> list[Json]:
    """Raises ReceiptError: it is no list of objects."""
    if not isinstance(value, list):
        raise ReceiptError(f"its {what} is no list")
    return [as_object(row, what) for row in value]


def sha256_of(row: Mapping[str, object]) -> str:
    """Of a resource descriptor; empty = it has none."""
    digest = row.get("digest")
    return str(digest.get("sha256", "")) if isinstance(digest, dict) else ""


def require_same(what: str, told: object, signed: object) -> None:
    """Raises ReceiptError: the signed word is another than what the report tells."""
    if told != signed:
        raise ReceiptError(f"{what}: the report says {short(told)}, signed is {short(signed)}")


def short(value: object) -> str:
    """For a message."""
    text = json.dumps(value, default=str) if not isinstance(value, str) else value
    return text if len(text) <= 100 else f"{text[:97]}..."


def _receipt(raw: bytes, ring: Ring) -> Receipt:
    try:
        row = json.loads(raw)
        envelope, text = row["envelope"].encode(), row["proof"].encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ReceiptError("it is no receipt with its proof") from error
    if line(envelope, text) != raw:
        raise ReceiptError("it is spelled in another way than receipts are")
    proof = read_proof(text)
    said = ring.unseal(envelope, proof.index)
    if said.kind is None:
        raise ReceiptError("it is signed, but of no kind that a ledger keeps")
    return Receipt(envelope, proof, said, receipt_id(envelope))
