"""Whether the signed statements of a run say what its report tells: steps 7 to 10 of verifying."""

from __future__ import annotations

import hashlib

from runner.ledger import statements
from runner.ledger.dossier import Evidence, Receipt, as_object, as_rows, require_same, sha256_of
from runner.ledger.dsse import Json, ReceiptError
from runner.ledger.statements import PUBLISH
from runner.records.plan import Plan


def commit(evidence: Evidence) -> str:
    """What the statements speak of is what the report tells of."""
    report = evidence.told
    require_same("subjects", statements.subject(report, evidence.files), evidence.subjects)
    require_same("conclusion", report.conclusion, evidence.outcome.get("conclusion"))
    require_same("conclusion", report.conclusion, evidence.run.get("codexrunner_conclusion"))
    require_same("exit code", report.exit_code, evidence.outcome.get("exit_code"))
    publication = report.publication and report.publication.model_dump(mode="json")
    require_same("publication", publication, evidence.outcome.get("publication"))
    if report.patch is None:
        return "no change"
    if report.publication:
        require_same("published commit", report.publication.commit, report.patch.commit)
        _require_announced(evidence, {"gitCommit": report.patch.commit})
    return f"commit {report.patch.commit}, tree {report.patch.tree}"


def inputs(evidence: Evidence) -> str:
    """What the intent named before the run began."""
    plan = evidence.told.plan
    built = as_object(evidence.run.get("buildDefinition"), "buildDefinition")
    resolved = as_rows(built.get("resolvedDependencies"), "resolvedDependencies")
    if not evidence.intent:
        return "nothing was started"
    if evidence.intent.get("resolvedDependencies") != resolved:
        raise ReceiptError("the provenance names other inputs than the intent did")
    if plan is None:
        raise ReceiptError("the intent had a plan, and the report has none")
    named = {str(row.get("name")): row for row in resolved}
    _require_inputs(plan, named)
    require_same("what was asked", statements.asked(plan), built.get("externalParameters"))
    digests = [
        f"{name} sha256:{sha256_of(row)[:16]}" for name, row in named.items() if sha256_of(row)
    ]
    return ", ".join([f"base {plan.base_commit}", f"codex {plan.codex_version}", *digests])


def gates(evidence: Evidence) -> str:
    """Verdict and test result are what the report's gates say."""
    report, verdict, tests = evidence.told, evidence.last("verdict"), evidence.last("tests")
    expected = statements.tests(report, evidence.files)
    if (tests is None) != (expected is None):
        raise ReceiptError("a test result is there, or is not, other than the report says")
    if tests and expected:
        _require_subjects(evidence, tests)
        for name in ("result", "configuration"):
            require_same(f"tests' {name}", expected.predicate[name], tests.predicate.get(name))
    passed = statements.has_passed(report)
    if report.publication and not passed:
        raise ReceiptError("it was published, and its gates did not pass")
    if (verdict is None) != (report.plan is None or report.patch is None):
        raise ReceiptError("a verdict is there, or is not, other than the report says")
    made = statements.verdict(report, evidence.files, ())
    if verdict is None or report.plan is None or made is None:
        return "no change to judge"
    said = verdict.predicate
    _require_subjects(evidence, verdict)
    rows = [statements.gate_row(gate) for gate in report.gates]
    require_same("gates", rows, said.get("codexrunner_gates"))
    require_same("verdict", "PASSED" if passed else "FAILED", said.get("verificationResult"))
    for name in ("resourceUri", "verifiedLevels"):
        require_same(f"the verdict's {name}", made.predicate[name], said.get(name))
    policy = sha256_of(as_object(said.get("policy"), "policy"))
    require_same("the verdict's policy", report.plan.policy_sha256, policy)
    wanted = [each for each in (evidence.last("run"), tests) if each is not None]
    named = as_rows(said.get("inputAttestations"), "inputAttestations")
    if [sha256_of(row) for row in named] != [_sha256(each.envelope) for each in wanted]:
        raise ReceiptError("the verdict was made of other statements than those here")
    told = ", ".join(f"{row['gate']} {row['verdict']}" for row in rows)
    return f"{said['verificationResult']}: {told or 'no gate was asked'}"


def tool_calls(evidence: Evidence) -> str:
    """Decisions are of this run, and what was done had an ALLOW before it."""
    report, allowed, denied, done = evidence.told, set[str](), 0, 0
    for each in evidence.receipts:
        said = each.predicate
        if each.said.kind == "decision":
            require_same("a decision's run", report.run, said.get("run", report.run))
            policy = report.plan.policy_sha256 if report.plan else ""
            require_same("a decision's policy", policy, said.get("policy_sha256", policy))
            allowed |= {each.id} if said.get("decision") == "ALLOW" else set()
            denied += said.get("decision") == "DENY"
        elif each.said.kind == "outcome" and "receipt" in said:
            done += 1
            if said["receipt"] not in allowed:
                raise ReceiptError(f"{each.id} tells of something done without an ALLOW before it")
    asked = sum(session.usage.tool_calls for session in (report.agent,) if session)
    return (
        f"{len(allowed)} allowed, {denied} denied, {done} told done; the model asked {asked} times"
    )


def _require_announced(evidence: Evidence, commit: dict[str, str]) -> None:
    told = [each for each in evidence.receipts if each.predicate.get("what") == PUBLISH]
    if not any(
        each.said.kind == "intent" and each.digests.get("commit") == commit for each in told
    ):
        raise ReceiptError("it was published, and no intent to publish this commit is here")


def _require_inputs(plan: Plan, named: dict[str, Json]) -> None:
    expected = {
        str(row["name"]): row for row in statements.dependencies(plan, statements.Machine())
    }
    for name, row in expected.items():
        signed = named.get(name, {})
        require_same(f"{name}'s uri", row.get("uri"), signed.get("uri"))
        if "digest" in row:
            require_same(f"{name}'s digest", row["digest"], signed.get("digest"))


def _require_subjects(evidence: Evidence, receipt: Receipt) -> None:
    if receipt.digests != evidence.subjects:
        raise ReceiptError(f"the {receipt.said.kind} speaks of another commit than the provenance")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
