"""The signed receipt of a run, `receipt.json`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runner.errors import ConfigError
from runner.ledger.dsse import Json, ReceiptError, enclose, unseal
from runner.ledger.folder import PATCH, RECEIPT, REPORT, RunFolder
from runner.ledger.keyring import Ring
from runner.ledger.statements import gate_row
from runner.records.report import RunReport
from runner.text import to_json

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from runner.ledger.keys import Signer

PREDICATE = "https://codex-runner.dev/attestation/run/v1"


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
    patch_sha256 = _patch_sha256(report, folder)
    subject = _subject(report, _sha256(content), patch_sha256)
    predicate = _predicate(report, _sha256(content), patch_sha256)
    return folder.write(RECEIPT, enclose(subject, PREDICATE, predicate, signer) + b"\n")


def verify(envelope: bytes, key: Ed25519PublicKey) -> Json:
    """The statement of a run's receipt signed with `key`.

    Raises:
        ReceiptError: it is not, or not to be read; see `unseal`.
    """
    from runner.ledger.keys import key_id

    statement = unseal(envelope, {key_id(key): key}).statement
    if statement.get("predicateType") != PREDICATE:
        raise ReceiptError("it is signed, but not a run's receipt")
    return statement


def examine(folder: RunFolder, keys: Ring | Ed25519PublicKey | None) -> Standing:
    """Verifies a run's receipt, then compares report.json and the patch with the signed digests.

    A key that has ended counts for runs that say they ended before; whether they did, only the
    ledger tells (`runner.ledger.verifying`).
    """
    envelope = folder.read(RECEIPT)
    if envelope is None:
        return Standing("absent", "the run has no receipt.json")
    if keys is None:
        return Standing("invalid", "there is no public key to verify it with")
    try:
        predicate = _verified(envelope, keys).get("predicate")
    except ReceiptError as error:
        return Standing("invalid", str(error))
    if not isinstance(predicate, dict) or predicate.get("run") != folder.run:
        return Standing("invalid", "it is the receipt of another run")
    signed = {REPORT: predicate.get("report_sha256"), PATCH: predicate.get("patch_sha256")}
    wrong = tuple(name for name, digest in signed.items() if _file_sha256(folder, name) != digest)
    return Standing("valid", mismatches=wrong)


def _verified(envelope: bytes, keys: Ring | Ed25519PublicKey) -> Json:
    if not isinstance(keys, Ring):
        return verify(envelope, keys)
    found = keys.unseal(envelope)
    key, predicate = keys.keys[found.keyid], found.statement.get("predicate")
    if found.statement.get("predicateType") != PREDICATE or not isinstance(predicate, dict):
        raise ReceiptError("it is signed, but not a run's receipt")
    if key.ended_at is not None and not _before(predicate.get("finished_at"), key.ended_at):
        raise ReceiptError(f"its key was {key.ended} before the run ended")
    return found.statement


def _before(told: object, instant: datetime) -> bool:
    try:
        return datetime.fromisoformat(str(told)) < instant
    except (ValueError, TypeError):
        return False


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
        "gates": [gate_row(gate) for gate in report.gates],
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
