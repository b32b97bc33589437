"""The statements of a run: SLSA provenance, in-toto test result, SLSA verification summary."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from runner.ledger import statements
from runner.ledger.dsse import seal, unseal
from runner.ledger.keys import local_signer
from runner.records.base import Sha256
from runner.records.evidence import About, Entry, Statement
from runner.records.gate import GateReport
from runner.records.identity import Agent
from tests.fake_ledger import FakeLedger
from tests.fake_world import BASE, COMMIT, TREE, make_patch
from tests.sealed_run import GATES, MACHINE, REFUSED, plan_of, report_of

FILES = {"report.json": "6" * 64, "receipt.json": "7" * 64, "patch": "8" * 64}


def kept(statement: Statement) -> Entry:
    return FakeLedger().append(statement)


def signed(tmp_path: Path, statement: Statement | None) -> dict[str, Any]:
    """The in-toto statement as a stranger reads it."""
    assert statement is not None
    signer = local_signer(tmp_path)
    found = unseal(seal(statement, signer), {signer.keyid: signer.key.public_key()})
    return json.loads(found.payload)  # type: ignore[no-any-return]


def test_provenance(tmp_path: Path) -> None:
    report = report_of()
    resolved = statements.dependencies(plan_of(), MACHINE)
    intent = kept(statements.intent(plan_of(), MACHINE))
    told = signed(tmp_path, statements.run(report, FILES, resolved, intent.id))
    assert told["predicateType"] == "https://slsa.dev/provenance/v1"
    digests = {row["name"]: row["digest"] for row in told["subject"]}
    assert digests == {
        "commit": {"gitCommit": COMMIT},
        "tree": {"gitTree": TREE},
        "patch": {"sha256": "8" * 64},
    }
    built, ran = told["predicate"]["buildDefinition"], told["predicate"]["runDetails"]
    assert built["buildType"].startswith("https://")
    asked = built["externalParameters"]
    prompt = hashlib.sha256(plan_of().task.prompt.encode()).hexdigest()
    assert asked["prompt"] == {"sha256": prompt}
    assert (asked["repository"], asked["ref"], asked["level"]) == (
        "/srv/repo.git",
        "refs/heads/main",
        2,
    )
    named = {row["name"]: row for row in built["resolvedDependencies"]}
    assert named["base"] == {
        "name": "base",
        "uri": "git+/srv/repo.git",
        "digest": {"gitCommit": BASE},
    }
    for name, digit in {"policy": "4", "codex": "1", "engine": "2", "image": "3"}.items():
        assert named[name]["digest"] == {"sha256": digit * 64}
    assert named["codex"]["uri"].endswith("@0.163.0")
    assert ran["builder"]["id"] and ran["metadata"]["invocationId"] == report.run
    assert {row["name"]: row["digest"]["sha256"] for row in ran["byproducts"]} == FILES
    assert told["predicate"]["codexrunner_intent"] == intent.id


def test_nothing_of_the_prompt_or_the_command_is_in_clear(tmp_path: Path) -> None:
    plan = plan_of()
    report = report_of()
    made = [
        statements.intent(plan, MACHINE),
        statements.run(report, FILES, statements.dependencies(plan, MACHINE), None),
        statements.tests(report, FILES),
    ]
    for each in made:
        text = json.dumps(signed(tmp_path, each))
        assert plan.task.prompt not in text and '"true"' not in text


@pytest.mark.parametrize(("gate", "result"), [(GATES[1], "PASSED"), (REFUSED, "FAILED")])
def test_test_result(tmp_path: Path, gate: GateReport, result: str) -> None:
    told = signed(tmp_path, statements.tests(report_of(gates=(gate,)), FILES))
    assert told["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = told["predicate"]
    assert predicate["result"] == result
    command = hashlib.sha256(b"true").hexdigest()
    assert predicate["configuration"][0] == {"name": "command", "digest": {"sha256": command}}


def test_no_test_result_where_nothing_was_tested() -> None:
    waived = GATES[1].model_copy(update={"verdict": "waived"})
    for gates in ((), (waived,), (GATES[0],)):
        assert statements.tests(report_of(gates=gates), FILES) is None


def test_verdict(tmp_path: Path) -> None:
    run = kept(Statement("run", {"x": {"sha256": "0" * 64}}, {}))
    told = signed(tmp_path, statements.verdict(report_of(), FILES, [run]))
    assert told["predicateType"] == "https://slsa.dev/verification_summary/v1"
    said = told["predicate"]
    assert {"verifier", "timeVerified", "resourceUri", "policy", "verificationResult"} <= set(said)
    assert said["verificationResult"] == "PASSED" and said["verifiedLevels"] == [statements.GATED]
    assert said["policy"]["digest"] == {"sha256": "4" * 64}
    (named,) = said["inputAttestations"]
    assert named["digest"]["sha256"] == hashlib.sha256(run.envelope).hexdigest()


@pytest.mark.parametrize(
    "more",
    [
        {"gates": (REFUSED,), "standing": None},
        {"gates": (REFUSED,)},
        {"gates": (), "standing": None},
        {"gates": ()},
        {"standing": None},
        {"gates": (GATES[0].model_copy(update={"verdict": "not-run"}),)},
    ],
)
def test_anything_less_is_failed(tmp_path: Path, more: dict[str, Any]) -> None:
    told = signed(tmp_path, statements.verdict(report_of(publication=None, **more), FILES, []))
    assert told["predicate"]["verificationResult"] == "FAILED"
    assert told["predicate"]["verifiedLevels"] == ["FAILED"]


def test_no_verdict_without_a_change() -> None:
    assert statements.verdict(report_of(patch=None), FILES, []) is None
    assert statements.verdict(report_of(plan=None), FILES, []) is None


def test_everything_is_found_by_run_and_agent() -> None:
    agent = Agent(model="m", codex_version="0.163.0", policy_sha256=Sha256("4" * 64))
    plan = plan_of().model_copy(update={"agent": agent})
    report = report_of(plan=plan)
    made = [
        statements.intent(plan, MACHINE),
        statements.publication(plan, make_patch()),
        statements.run(report, FILES, [], None),
        statements.tests(report, FILES),
        statements.verdict(report, FILES, []),
        statements.outcome(report, FILES, None, []),
    ]
    assert {each and each.about for each in made} == {About(plan.run, agent.id)}


def test_a_run_that_left_nothing_speaks_of_its_plan_or_report() -> None:
    only = {"report.json": "6" * 64}
    nothing = report_of(patch=None, publication=None)
    assert statements.subject(nothing, only) == {"plan": {"sha256": plan_of().digest()}}
    nothing = report_of(patch=None, publication=None, plan=None)
    assert statements.subject(nothing, only) == {"report.json": {"sha256": "6" * 64}}
