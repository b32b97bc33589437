"""A run in the ledger: its intent before it begins, its statements when it is sealed, and copies of
all its receipts, with their proofs, in its folder.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from runner.errors import RunnerError
from runner.ledger import statements
from runner.ledger.dsse import ReceiptError, unverified
from runner.ledger.folder import (
    OWNER,
    PARTIAL,
    PATCH,
    RECEIPT,
    REPORT,
    RESERVE,
    SO_FAR,
    RunFolder,
    on_disk,
)
from runner.ledger.keyring import read_history
from runner.ports import Ledger
from runner.records.base import RunId
from runner.records.evidence import Entry, ReceiptId
from runner.records.plan import Plan
from runner.records.report import RunReport

RECEIPTS = "receipts.jsonl"
"""One line for each receipt of the run: `{"envelope": "...", "proof": "..."}`, nothing else."""
CHECKPOINT = "checkpoint"
"""The signed note that all these proofs lead to."""
KEYS = "keys.jsonl"
"""The history of keys when the run ended."""
UNRECORDED = "unrecorded.txt"
"""Why the ledger could not be told how the run ended; its intent is open."""
_UNSIGNED = {OWNER, RESERVE, SO_FAR, RECEIPTS, CHECKPOINT, UNRECORDED, "report.md"}
"""Not evidence, or written afterwards."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

Json = Mapping[str, object]


class Log(Ledger, Protocol):
    """A ledger that proves what is in it."""

    def proofs(self, receipts: Sequence[ReceiptId]) -> tuple[bytes, tuple[bytes, ...]]:
        """One checkpoint, and a proof to it for each."""


def begin(ledger: Ledger, plan: Plan, machine: statements.Machine) -> Entry:
    """Before anything else happens. Raises InfraError: it cannot be recorded, nothing may start."""
    return ledger.append(statements.intent(plan, machine))


def finish(folder: RunFolder, report: RunReport, ledger: Log | None) -> None:
    """After report.json and receipt.json are written; whatever fails is kept in UNRECORDED."""
    try:
        with on_disk(folder.path):
            folder.write(KEYS, read_history(folder.state))
            if ledger is not None:
                _finish(folder, report, ledger)
            else:
                from runner.ledger.ledger import open_ledger

                with open_ledger(folder.state, address=folder.address) as opened:
                    _finish(folder, report, opened)
            (folder.path / UNRECORDED).unlink(missing_ok=True)
    except RunnerError as error:
        with suppress(RunnerError):
            folder.write(UNRECORDED, f"{error.problem}\n".encode(errors="backslashreplace"))


def export(folder: RunFolder, ledger: Log) -> None:
    """The run's receipts so far, each with its proof, and the checkpoint they lead to."""
    entries = tuple(ledger.entries(run=folder.run))
    checkpoint, proofs = ledger.proofs(tuple(entry.id for entry in entries))
    lines = (line(entry.envelope, proof) for entry, proof in zip(entries, proofs, strict=True))
    folder.write(RECEIPTS, b"".join(lines))
    folder.write(CHECKPOINT, checkpoint)


def line(envelope: bytes, proof: bytes) -> bytes:
    """One of receipts.jsonl; there is no other spelling of it."""
    both = {"envelope": envelope.decode(), "proof": proof.decode()}
    return _ENCODER.encode(both).encode() + b"\n"


def open_intent(ledger: Ledger, run: RunId) -> bool:
    """Whether it was begun and nobody told how it ended."""
    kinds = [
        entry.kind
        for entry in ledger.entries(run=run, kinds=("intent", "outcome"))
        if _predicate(entry).get("what") == statements.RUN
    ]
    return bool(kinds) and kinds[-1] == "intent"


def _finish(folder: RunFolder, report: RunReport, ledger: Log) -> None:
    intent, resolved = _began(ledger, report)
    files = _files(folder, report)
    run = ledger.append(statements.run(report, files, resolved, intent))
    tests = statements.tests(report, files)
    inputs = [run, *([ledger.append(tests)] if tests else [])]
    if verdict := statements.verdict(report, files, inputs):
        ledger.append(verdict)
    before = tuple(ledger.entries(run=report.run))
    ledger.append(statements.outcome(report, files, intent, before))
    export(folder, ledger)


def _began(ledger: Ledger, report: RunReport) -> tuple[ReceiptId | None, list[object]]:
    """The intent, and what it said the run starts from."""
    for entry in ledger.entries(run=report.run, kinds=("intent",)):
        said = _predicate(entry)
        resolved = said.get("resolvedDependencies")
        if said.get("what") == statements.RUN and isinstance(resolved, list):
            return entry.id, resolved
    return None, []


def _predicate(entry: Entry) -> Json:
    try:
        said = unverified(entry.envelope)[0].get("predicate")
    except ReceiptError:
        return {}
    return said if isinstance(said, dict) else {}


def _files(folder: RunFolder, report: RunReport) -> dict[str, str]:
    """SHA-256 of everything that tells of the run; of the patch, as it was measured."""
    found = {path.name: _sha256(path) for path in sorted(folder.path.iterdir()) if _signed(path)}
    if report.patch is not None and report.patch.diff_sha256:
        found[PATCH] = report.patch.diff_sha256
    first = [name for name in (REPORT, RECEIPT, PATCH) if name in found]
    return {name: found[name] for name in dict.fromkeys((*first, *found))}


def _signed(path: Path) -> bool:
    plain = stat.S_ISREG(path.lstat().st_mode)
    return plain and path.name not in _UNSIGNED and not path.name.startswith(PARTIAL)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
