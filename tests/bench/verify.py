"""A run verified from its folder with a public key, against bare Ed25519 verifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runner.errors import InfraError
from runner.ledger import recording
from runner.ledger.folder import PATCH, RunFolder
from runner.ledger.keyring import Ring
from runner.ledger.keys import local_signer
from runner.ledger.ledger import open_ledger
from runner.ledger.verifying import verify
from tests.bench.rounds import Setting, cpu_seconds
from tests.bench.row import Row
from tests.sealed_run import DIFF, MACHINE, decide, plan_of, report_of

CALLS, QUICK_CALLS = 1000, 200
"""Tool calls of the run; each has a decision and an outcome."""
MESSAGE = b"x" * 1000
AT_LEAST = 5000


def measure(setting: Setting) -> Iterator[Row]:
    state, calls = setting.scratch, QUICK_CALLS if setting.quick else CALLS
    folder = RunFolder.create(state, plan_of().run)
    folder.write(PATCH, DIFF)
    with open_ledger(state) as ledger:
        recording.begin(ledger, plan_of(), MACHINE)
        for _ in range(calls):
            decide(ledger, "ALLOW")
        replace(folder, ledger=ledger).seal(report_of(publication=None, conclusion="judged"))
    key = local_signer(state).key.public_key()
    ring, signature = Ring.of(("gate", key)), local_signer(state).sign(MESSAGE)
    receipts = 2 * calls + 5
    found = verify(folder, ring)
    if found.wrong is not None:
        raise InfraError(f"the run does not verify: {found.wrong}", "mend that first")

    def bare() -> None:
        for _ in range(receipts):
            key.verify(signature, MESSAGE)

    ours, floor = [], []
    for _ in range(setting.rounds):
        ours.append(receipts / cpu_seconds(lambda: verify(folder, ring)))
        floor.append(receipts / cpu_seconds(bare))
    rates = tuple(ours)
    what = "a run's receipts with proofs, verified (CPU time)"
    yield Row(what, "/s", rates, (), "itself", at_least=AT_LEAST)
    yield Row(f"{what} / bare Ed25519 verifications", "/s", rates, tuple(floor), "ratio")
