"""Whether what lies in a run's folder is what happened: offline, with nothing but public keys.

Each step stands on those before it. The first one that does not hold ends it, and is named:
1. keys: the given ones, and those that the signed history leads to from them.
2. signatures: each receipt's, by a key of the role of its kind, which counted at its place.
3. checkpoint: size and root of the log, signed by a key of the gate.
4. log: each receipt is in the log that has this root, at its place.
5. run: one run; its outcome counts all receipts before it, and names its intent.
6. files: report, receipt, patch and all that was kept beside are the signed ones.
7. commit: what the statements speak of is what the report tells of.
8. inputs: base, policy, codex, engine and image are those that the intent named.
9. gates: verdict and test result are what the report's gates say.
10. tool calls: decisions are of this run, and what was done had an ALLOW before it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import ValidationError

from runner.errors import RunnerError
from runner.ledger import binding, statements
from runner.ledger.bundle import bundle, each_bundle, envelope_of
from runner.ledger.dossier import (
    Evidence,
    as_object,
    as_rows,
    opened_checkpoint,
    read_receipts,
    require_logged,
    sha256_of,
)
from runner.ledger.dsse import ReceiptError, stamp_of, unverified
from runner.ledger.folder import PATCH, RECEIPT, REPORT, RunFolder, on_disk
from runner.ledger.keyring import Ring
from runner.ledger.note import NoteError
from runner.ledger.receipt import PREDICATE
from runner.ledger.recording import CHECKPOINT, KEYS, RECEIPTS, UNRECORDED
from runner.records.evidence import Kind
from runner.records.report import RunReport

_LATER: frozenset[Kind] = frozenset({"approval", "merged", "decision", "score", "kill", "lift"})
"""What may still be said of a run that has ended."""
_SIGNED_THEMSELVES = frozenset({RECEIPTS, CHECKPOINT})


@dataclass(frozen=True, slots=True)
class Step:
    """One that held, or the one that did not."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out."""

    held: tuple[Step, ...]
    wrong: Step | None = None


def verify(folder: RunFolder, ring: Ring) -> Verified:
    """All steps, until one does not hold."""
    evidence, held = Evidence(folder, ring), list[Step]()
    for name, step in STEPS.items():
        try:
            held.append(Step(name, step(evidence)))
        except (ReceiptError, NoteError) as error:
            return Verified(tuple(held), Step(name, str(error)))
        except RunnerError as error:
            return Verified(tuple(held), Step(name, error.problem))
    return Verified(tuple(held))


def verify_file(content: bytes, ring: Ring) -> Verified:
    """One receipt, bundles, or receipts with their proofs: what can be said of it alone."""
    held: list[Step] = []
    name = "signatures"
    try:
        if content.startswith(b'{"envelope":'):
            receipts = read_receipts(content, ring)
            held.append(Step(name, f"{len(receipts)} receipts"))
            name, note = "checkpoint", receipts[-1].proof.checkpoint
            checkpoint = opened_checkpoint(note, ring)
            held.append(Step(name, f"{checkpoint.origin}, {checkpoint.size} entries"))
            name = "log"
            require_logged(receipts, note, checkpoint)
            held.append(Step(name, "each is in it"))
        else:
            held.extend(Step(name, _alone(each, ring)) for each in each_bundle(content))
    except (ReceiptError, NoteError) as error:
        return Verified(tuple(held), Step(name, str(error)))
    return Verified(tuple(held))


def _alone(content: bytes, ring: Ring) -> str:
    """What a receipt or bundle says without a proof. Raises ReceiptError: it does not count."""
    found = ring.unseal(envelope_of(content))
    key = ring.keys[found.keyid]
    if key.ended:
        raise ReceiptError(f"its key was {key.ended}, and nothing here proves it was before")
    what = found.kind or str(found.statement.get("predicateType"))
    return f"{what}, by the {key.role}'s key {found.keyid[:16]}"


def bundles(folder: RunFolder) -> bytes:
    """Provenance, test result and verdict of a verified run, one Sigstore bundle a line."""
    found = {}
    for raw in (folder.read(RECEIPTS) or b"").splitlines():
        envelope = json.loads(raw)["envelope"].encode()
        kind = unverified(envelope)[1]
        if kind in {"run", "tests", "verdict"}:
            found[kind] = bundle(envelope, json.loads(envelope)["signatures"][0]["keyid"])
    return b"".join(found.values())


def _keys(evidence: Evidence) -> str:
    given = len(evidence.ring.keys)
    if not given:
        raise ReceiptError("no key was given")
    evidence.ring = evidence.ring.follow(evidence.folder.read(KEYS) or b"")
    led = len(evidence.ring.keys) - given
    return f"{given} given" + (f", {led} that the signed history leads to" if led else "")


def _signatures(evidence: Evidence) -> str:
    content = evidence.folder.read(RECEIPTS)
    if content is None:
        why = (evidence.folder.read(UNRECORDED) or b"").decode(errors="replace").strip()
        raise ReceiptError(f"there is no {RECEIPTS}" + (f": {why}" if why else ""))
    evidence.receipts = read_receipts(content, evidence.ring)
    kinds = Counter(str(each.said.kind) for each in evidence.receipts)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"{len(evidence.receipts)} receipts: {told}"


def _checkpoint(evidence: Evidence) -> str:
    found = evidence.checkpoint = opened_checkpoint(evidence.file(CHECKPOINT), evidence.ring)
    return f"{found.origin}, {found.size} entries"


def _log(evidence: Evidence) -> str:
    assert evidence.checkpoint is not None
    require_logged(evidence.receipts, evidence.file(CHECKPOINT), evidence.checkpoint)
    places = [each.proof.index for each in evidence.receipts]
    return f"entries {places[0]} to {places[-1]}"


def _run(evidence: Evidence) -> str:
    receipts = evidence.receipts
    runs = {stamp_of(each.said.statement).about.run for each in receipts}
    if len(runs) != 1:
        raise ReceiptError(f"they are of several runs: {', '.join(sorted(runs))[:200]}")
    ends = [at for at, each in enumerate(receipts) if each.is_of_run("outcome")]
    if not ends:
        raise ReceiptError("its intent is open: nobody recorded how it ended")
    end, outcome = ends[-1], receipts[ends[-1]].predicate
    before = [each.id for each in receipts[:end]]
    if (outcome.get("receipts"), outcome.get("receipts_sha256")) != (
        end,
        statements.of_receipts(before),
    ):
        raise ReceiptError(f"the outcome counts {outcome.get('receipts')} other receipts before it")
    if strays := [each.id for each in receipts[end + 1 :] if each.said.kind not in _LATER]:
        raise ReceiptError(f"{strays[0]} was made after its end")
    run = evidence.last("run")
    if run is None:
        raise ReceiptError("nobody recorded what it made: there is no provenance")
    begun = [each for each in receipts if each.is_of_run("intent")]
    intent = outcome.get("intent")
    if intent != (begun[0].id if begun else None):
        raise ReceiptError("the outcome names another intent than its first receipt")
    if run.predicate.get("codexrunner_intent") != intent:
        raise ReceiptError("the provenance names another intent")
    evidence.run, evidence.subjects, evidence.outcome = run.predicate, run.digests, outcome
    evidence.intent = begun[0].predicate if begun else {}
    return f"{runs.pop()} ended {outcome.get('conclusion')}"


def _files(evidence: Evidence) -> str:
    details = as_object(evidence.run.get("runDetails"), "runDetails")
    rows = as_rows(details.get("byproducts"), "byproducts")
    evidence.files = digests = {str(row.get("name")): sha256_of(row) for row in rows}
    absent = []
    for name in dict.fromkeys((REPORT, RECEIPT, *digests)):
        if name not in digests:
            raise ReceiptError(f"the provenance does not name {name}")
        content = evidence.folder.read(name)
        if content is None and name not in {REPORT, RECEIPT, PATCH, KEYS}:
            absent.append(name)
        elif content is None:
            raise ReceiptError(f"{name} is missing")
        elif hashlib.sha256(content).hexdigest() != digests[name]:
            raise ReceiptError(f"{name} is not the one that was signed")
    _require_receipt(evidence)
    told = f"{len(digests) - len(absent)} are the signed ones"
    with on_disk(evidence.folder.path):
        beside = sorted({*os.listdir(evidence.folder.path)} - digests.keys() - _SIGNED_THEMSELVES)
    told += f"; anybody's word: {', '.join(beside)}" if beside else ""
    return told + (f"; not here: {', '.join(absent)}" if absent else "")


def _require_receipt(evidence: Evidence) -> None:
    receipt = evidence.ring.unseal(evidence.file(RECEIPT)).statement
    said = as_object(receipt.get("predicate"), "predicate")
    if receipt.get("predicateType") != PREDICATE:
        raise ReceiptError(f"{RECEIPT} is no run's receipt")
    files = evidence.files
    signed = (said.get("report_sha256"), said.get("patch_sha256"))
    if signed != (files[REPORT], files.get(PATCH)):
        raise ReceiptError(f"{RECEIPT} speaks of another report or patch")
    try:
        evidence.report = RunReport.model_validate_json(evidence.file(REPORT))
    except ValidationError:
        raise ReceiptError(f"{REPORT} was written by another version of codex-runner") from None
    if not evidence.report.run == said.get("run") == evidence.outcome.get("run"):
        raise ReceiptError(f"{REPORT} or {RECEIPT} is another run's")


STEPS: Mapping[str, Callable[[Evidence], str]] = MappingProxyType(
    {
        "keys": _keys,
        "signatures": _signatures,
        "checkpoint": _checkpoint,
        "log": _log,
        "run": _run,
        "files": _files,
        "commit": binding.commit,
        "inputs": binding.inputs,
        "gates": binding.gates,
        "tool calls": binding.tool_calls,
    }
)
