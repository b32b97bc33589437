"""What a run is made with, told to the ledger before anything of it begins."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from runner.ledger import recording
from runner.ledger.folder import on_disk, replace
from runner.ledger.statements import Machine
from runner.ports import Engine, Ledger
from runner.records.evidence import Entry
from runner.records.plan import Plan
from runner.sandbox.codex_package import CodexPackage

CODEX = "codex-digest.json"
"""In the state directory: the digest of the codex binary, which takes a while to read."""
_IMAGE = re.compile(r"(?<![0-9a-z])sha256:([0-9a-f]{64})(?![0-9a-f])")


def begin(ledger: Ledger, state: Path, plan: Plan, package: CodexPackage, engine: Engine) -> Entry:
    """Raises InfraError: it cannot be recorded, so nothing may start."""
    told = engine.fingerprint
    image = _IMAGE.search(told) if plan.engine == "docker" else None
    machine = Machine(
        codex_sha256=_codex(package, state / CODEX),
        engine_sha256=hashlib.sha256(told.encode()).hexdigest(),
        image_sha256=image[1] if image else "",
    )
    return recording.begin(ledger, plan, machine)


def _codex(package: CodexPackage, cache: Path) -> str:
    """Of the binary; read anew when it is another file, or was written."""
    found = package.binary.stat()
    identity = [str(package.binary), *map(int, (found.st_dev, found.st_ino, found.st_size))]
    identity += [found.st_mtime_ns, found.st_ctime_ns]
    try:
        known = json.loads(cache.read_bytes())
        if known["file"] == identity and re.fullmatch("[0-9a-f]{64}", known["sha256"]):
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    digest = package.sha256()
    with on_disk(cache):
        replace(cache, json.dumps({"file": identity, "sha256": digest}).encode())
    return digest
