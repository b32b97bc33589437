"""What a run is made with, told to the ledger before anything of it begins."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress

from runner import user_cache
from runner.ledger import recording
from runner.ledger.statements import Machine
from runner.ports import Engine, Ledger
from runner.records.evidence import Entry
from runner.records.plan import Plan
from runner.sandbox.codex_package import CodexPackage

CODEX = "codex-runner/codex"
"""In the user's cache: digests of codex binaries, which take half a second to read."""
_IMAGE = re.compile(r"(?<![0-9a-z])sha256:([0-9a-f]{64})(?![0-9a-f])")


def begin(ledger: Ledger, plan: Plan, package: CodexPackage, engine: Engine) -> Entry:
    """Raises InfraError: it cannot be recorded, so nothing may start."""
    told = engine.fingerprint
    image = _IMAGE.search(told) if plan.engine == "docker" else None
    machine = Machine(
        codex_sha256=_codex(package),
        engine_sha256=hashlib.sha256(told.encode()).hexdigest(),
        image_sha256=image[1] if image else "",
    )
    return recording.begin(ledger, plan, machine)


def _codex(package: CodexPackage) -> str:
    """Of the binary; read anew when it is another file, or was written."""
    found = package.binary.stat()
    identity = [str(package.binary), *map(int, (found.st_dev, found.st_ino, found.st_size))]
    identity += [found.st_mtime_ns, found.st_ctime_ns]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    with suppress(OSError), user_cache.opened(CODEX) as directory:
        known = user_cache.read(directory, name, 64) or b""
        if re.fullmatch(b"[0-9a-f]{64}", known):
            return known.decode()
    digest = package.sha256()
    with suppress(OSError), user_cache.opened(CODEX, make=True) as directory:
        user_cache.write(user_cache.name_of(directory), name, digest.encode())
    return digest
