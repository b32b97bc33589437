"""A run that was begun, decided upon and sealed, in a state directory with a real ledger."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runner.ledger import recording, statements
from runner.ledger.folder import PATCH, RunFolder
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.rekeying import Keeper
from runner.records.base import Oid, RunId, Sha256
from runner.records.evidence import About, Statement
from runner.records.gate import Finding, GateReport
from runner.records.level import Standing
from runner.records.plan import Plan
from runner.records.report import Publication, RunReport
from tests.fake_world import COMMIT, RUN, make_patch, make_plan, told_by_agent

BEGAN = datetime(2026, 11, 20, 10, 22, 33, tzinfo=UTC)
DIFF = b"diff --git a/x b/x\n"
MACHINE = statements.Machine(codex_sha256="1" * 64, engine_sha256="2" * 64, image_sha256="3" * 64)
GATES = (
    GateReport(gate="paths", verdict="passed", summary="1 file"),
    GateReport(gate="tests", verdict="passed", summary="3 passed", evidence={"exit": "0"}),
    GateReport(gate="review", verdict="waived", summary="--no-review"),
)
REFUSED = GateReport(
    gate="tests",
    verdict="refused",
    summary="1 failed",
    findings=(Finding(gate="tests", code="tests.failed", why="w", remedy="r"),),
)


def plan_of(run: RunId = RUN) -> Plan:
    return make_plan().model_copy(update={"run": run, "policy_sha256": Sha256("4" * 64)})


def report_of(run: RunId = RUN, **more: object) -> RunReport:
    """Published, unless `more` says otherwise."""
    patch = make_patch().model_copy(
        update={"diff_sha256": Sha256(hashlib.sha256(DIFF).hexdigest())}
    )
    publication = Publication(
        remote="/srv/repo.git", ref="refs/heads/b", commit=Oid(COMMIT), url="u", created=True
    )
    told: dict[str, object] = {
        "run": run,
        "conclusion": "published",
        "exit_code": 0,
        "started_at": BEGAN,
        "finished_at": datetime.now(UTC),
        "plan": plan_of(run),
        "agent": told_by_agent(),
        "patch": patch,
        "gates": GATES,
        "standing": Standing(level=2),
        "publication": publication,
    }
    return RunReport.model_validate({**told, **more})


def decide(ledger: StoredLedger, word: str, run: RunId = RUN, policy: str = "4" * 64) -> str:
    """A decision on a tool call, and for an ALLOW its outcome; the decision's id."""
    about = About(run=run)
    subject = {"action": {"sha256": "5" * 64}}
    said = {"decision": word, "run": run, "policy_sha256": policy}
    decided = ledger.append(Statement("decision", subject, said, about))
    if word == "ALLOW":
        told = {"receipt": decided.id, "status": "done"}
        ledger.append(Statement("outcome", subject, told, about))
    return decided.id


def sealed(state: Path, run: RunId = RUN, **more: object) -> RunFolder:
    """The folder of a run that is over."""
    folder = RunFolder.create(state, run, lambda report: f"# {report.run}\n")
    folder.write(PATCH, DIFF)
    folder.write("events.jsonl", b"{}\n")
    with open_ledger(state) as ledger:
        recording.begin(ledger, plan_of(run), MACHINE)
        decide(ledger, "ALLOW", run)
        decide(ledger, "DENY", run)
        ledger.append(statements.publication(plan_of(run), make_patch()))
        replace(folder, ledger=ledger).seal(report_of(run, **more))
    return RunFolder(folder.path)


def keeper(state: Path) -> Keeper:
    return Keeper(state, open_ledger)
