"""The OpenAPI document is true: schemathesis, which only reads that, finds nothing."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from runner.gateway.callers import Caller, Peer
from runner.gateway.pace import Pace
from runner.gateway.statements import predicate_of
from runner.halting import statement_of
from runner.process import clean_env, run
from runner.records.evidence import Statement
from runner.records.kill import Kill, KillId, Scope
from tests.fake_ledger import FakeLedger
from tests.gates import AGENT, POLICY, FakeApprovals, gate_of, served

ROOT = Path(__file__).parents[2]
TOKEN = "Bearer t"
EXAMPLES = 4
"""For each operation, in the fuzzing phase: all takes about 15 seconds on two cores."""


def _pull(scope: Scope, subject: str, reason: str, by: str) -> tuple[Kill, Statement]:
    at = datetime.now(UTC)
    kill = Kill(id=KillId("0" * 16), scope=scope, subject=subject, reason=reason, by=by, at=at)
    return kill, statement_of(kill)


def _caller(_peer: Peer | None, authorization: str | None) -> Caller | None:
    return Caller(AGENT, role="admin", name="ada") if authorization == TOKEN else None


@pytest.mark.slow
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    if find_spec("schemathesis") is None:
        pytest.skip("schemathesis is not installed")
    endless = Pace(per_s=1e9, burst=10**9)
    ledger = FakeLedger()
    gate = gate_of(ledger, approvals=FakeApprovals(), spam=endless, decisions=endless)
    more = {"head": lambda: (0, POLICY), "pull": _pull, "resolve": lambda *_: None}
    with served(("127.0.0.1", 0), gate, _caller, loopback=True, **more) as client:
        url = str(client.base_url.join("/openapi.json"))
        done = run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", url),
                *("-H", f"Authorization: {TOKEN}", "--checks", "all", "--no-color"),
                *("--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES)),
                *("--seed", "20261120", "--generation-database", "none"),
            ],
            cwd=tmp_path,
            env=clean_env(
                {"SCHEMATHESIS_HOOKS": "tests.contracts.gateway_hooks", "PYTHONPATH": str(ROOT)}
            ),
            timeout_s=300,
        )
    assert done.code == 0, done.text()
    said = {predicate_of(entry).get("rule") for entry in ledger.kept}
    assert {"default", "malformed"} <= said  # requests got through to the judge
