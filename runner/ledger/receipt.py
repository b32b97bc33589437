"""The signed receipt of a run: an in-toto Statement v1 in a DSSE envelope, Ed25519.

What is signed are exact bytes; nobody re-serialises them. Formats:
https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md and
https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md (read 2026-11).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from runner.errors import ConfigError
from runner.ledger.folder import PATCH, RECEIPT, REPORT, RunFolder
from runner.records.report import RunReport
from runner.text import to_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://codex-runner.dev/attestation/run/v1"

Json = dict[str, object]


class ReceiptError(ValueError):
    """The envelope is not a receipt signed with this key."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run's receipt is worth."""

    signature: Literal["valid", "invalid", "absent"]
    why: str = ""
    """Why the signature does not count."""
    mismatches: tuple[str, ...] = ()
    """Files of the folder that are not the signed ones."""

    @property
    def good(self) -> bool:
        return self.signature == "valid" and not self.mismatches


def seal(report: RunReport, folder: RunFolder, signer: Signer) -> Path:
    """Writes report.json and the receipt over it; sealing again replaces both."""
    content = to_json(report.model_dump(mode="json")).encode() + b"\n"
    folder.write(REPORT, content)
    statement = _statement(report, _sha256(content), _patch_sha256(report, folder))
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [
            {
                "keyid": signer.keyid,
                "sig": base64.b64encode(signer.sign(pre_authentication(payload))).decode(),
            }
        ],
    }
    return folder.write(RECEIPT, json.dumps(envelope).encode() + b"\n")


def verify(envelope: bytes, key: Ed25519PublicKey) -> Json:
    """The statement of an envelope signed with `key`.

    1. The envelope is one JSON object without doubled keys, of our payload type.
    2. A signature, strict base64, verifies over the exact payload bytes (PAE).
    3. Only then the payload is parsed; it is a Statement v1 with our predicate.

    Raises:
        ReceiptError: one of these does not hold.
    """
    from cryptography.exceptions import InvalidSignature

    outer = _object(envelope, "envelope")
    if outer.get("payloadType") != PAYLOAD_TYPE:
        raise ReceiptError("its payload type is another")
    payload = _base64(outer.get("payload"))
    signatures = outer.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        raise ReceiptError("it has not exactly one signature")
    signature = signatures[0].get("sig") if isinstance(signatures[0], dict) else None
    try:
        key.verify(_base64(signature), pre_authentication(payload))
    except InvalidSignature:
        raise ReceiptError("the signature is not this key's, or the content was changed") from None
    statement = _object(payload, "payload")
    if statement.get("_type") != STATEMENT or statement.get("predicateType") != PREDICATE:
        raise ReceiptError("it is signed, but not a run's receipt")
    return statement


def examine(folder: RunFolder, key: Ed25519PublicKey | None) -> Standing:
    """Verifies a run's receipt, then compares report.json and the patch with the signed digests."""
    envelope = folder.read(RECEIPT)
    if envelope is None:
        return Standing("absent", "the run has no receipt.json")
    if key is None:
        return Standing("invalid", "there is no public key to verify it with")
    try:
        predicate = verify(envelope, key).get("predicate")
    except ReceiptError as error:
        return Standing("invalid", str(error))
    if not isinstance(predicate, dict) or predicate.get("run") != folder.run:
        return Standing("invalid", "it is the receipt of another run")
    signed = {REPORT: predicate.get("report_sha256"), PATCH: predicate.get("patch_sha256")}
    wrong = tuple(name for name, digest in signed.items() if _file_sha256(folder, name) != digest)
    return Standing("valid", mismatches=wrong)


def pre_authentication(payload: bytes) -> bytes:
    """DSSE's PAE: `DSSEv1 LEN(type) type LEN(payload) payload`."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _statement(report: RunReport, report_sha256: str, patch_sha256: str | None) -> Json:
    return {
        "_type": STATEMENT,
        "subject": _subject(report, report_sha256, patch_sha256),
        "predicateType": PREDICATE,
        "predicate": _predicate(report, report_sha256, patch_sha256),
    }


def _subject(report: RunReport, report_sha256: str, patch_sha256: str | None) -> list[Json]:
    subject: list[Json] = []
    if report.patch is not None:
        subject += [
            {"name": "commit", "digest": {"gitCommit": report.patch.commit}},
            {"name": "tree", "digest": {"gitTree": report.patch.tree}},
        ]
    if patch_sha256 is not None:
        subject.append({"name": PATCH, "digest": {"sha256": patch_sha256}})
    if not subject and report.plan is not None:
        subject.append({"name": "plan", "digest": {"sha256": report.plan.digest()}})
    return subject or [{"name": REPORT, "digest": {"sha256": report_sha256}}]


def _predicate(report: RunReport, report_sha256: str, patch_sha256: str | None) -> Json:
    told = report.model_dump(mode="json", include={"publication", "problem", "review_usage"})
    plan, agent = report.plan, report.agent
    return {
        "run": report.run,
        "conclusion": report.conclusion,
        "exit_code": report.exit_code,
        "started_at": report.started_at.isoformat(),
        "finished_at": report.finished_at.isoformat(),
        "report_sha256": report_sha256,
        "patch_sha256": patch_sha256,
        "plan_sha256": plan and plan.digest(),
        "policy_sha256": plan and plan.policy_sha256,
        "policy_sources": plan and plan.policy_sources,
        "runner_version": plan and plan.version,
        "codex_version": plan and plan.codex_version,
        "engine": plan and plan.engine,
        "inner_sandbox": agent and agent.inner_sandbox,
        "unenforced": list(agent.exit.unenforced) if agent else None,
        "models": plan and {"agent": plan.model, "review": plan.reviewer_model},
        "providers": plan and {"agent": plan.upstream, "review": plan.review_upstream},
        "usage": {
            "agent": agent.usage.model_dump(mode="json") if agent else None,
            "review": told["review_usage"],
        },
        "gates": [
            {"gate": g.gate, "verdict": g.verdict, "findings": [f.code for f in g.findings]}
            for g in report.gates
        ],
        "publication": told["publication"],
        "problem": told["problem"],
    }


def _patch_sha256(report: RunReport, folder: RunFolder) -> str | None:
    """As measured when the patch was made; of the kept file when the report does not say."""
    measured = report.patch.diff_sha256 if report.patch else ""
    return measured or _file_sha256(folder, PATCH)


def _file_sha256(folder: RunFolder, name: str) -> str | None:
    try:
        with folder.open(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except ConfigError:
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _object(content: bytes, what: str) -> Json:
    try:
        value = json.loads(content, object_pairs_hook=_no_doubles)
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


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise ReceiptError("it lacks a payload or a signature")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReceiptError("its base64 is broken") from error
