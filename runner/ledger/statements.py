"""What the ledger is told of a run: `intent` before it begins; `run`, `tests`, `verdict` and
`outcome` when it has ended. Pure.

- https://slsa.dev/spec/v1.1/provenance, https://slsa.dev/spec/v1.1/verification_summary
- https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md (read 2026-11)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.records.base import RunId, Sha256
from runner.records.evidence import About, Entry, ReceiptId, Statement
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.report import RunReport

_OURS = "https://codex-runner.dev"
BUILD_TYPE = f"{_OURS}/build/codex-exec/v1"
BUILDER = f"{_OURS}/runner/v1"
RUN, PUBLISH = "run", "publish"
"""`what` of intent and outcome, among those of other actions."""
GATED = "CODEX_RUNNER_GATED"
"""Verified level: every gate passed, or was waived in the open."""
TESTS_GATE = "tests"
_TEST_RESULTS = {"passed": "PASSED", "refused": "FAILED"}

Json = Mapping[str, object]
Digests = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run is made with, beside its plan."""

    codex_sha256: str = ""
    engine_sha256: str = ""
    """Of the engine's fingerprint."""
    image_sha256: str = ""
    """Of the docker engine."""


def intent(plan: Plan, machine: Machine) -> Statement:
    """Nothing has happened yet."""
    return Statement(
        "intent",
        {"plan": {"sha256": plan.digest()}},
        {
            "what": RUN,
            "run": plan.run,
            "agent": plan.agent and plan.agent.told(),
            "resolvedDependencies": dependencies(plan, machine),
        },
        _about(plan, plan.run),
    )


def publication(plan: Plan, patch: Patch) -> Statement:
    """It is about to leave."""
    return Statement(
        "intent",
        {"commit": {"gitCommit": patch.commit}, "tree": {"gitTree": patch.tree}},
        {"what": PUBLISH, "run": plan.run, "remote": plan.remote, "branch": plan.branch},
        _about(plan, plan.run),
    )


def dependencies(plan: Plan, machine: Machine) -> list[Json]:
    """What a run starts from, as in-toto resource descriptors."""
    version = plan.codex_version
    return [
        {
            "name": "base",
            **({"uri": f"git+{plan.remote}"} if plan.remote else {}),
            "digest": {"gitCommit": plan.base_commit},
        },
        {"name": "policy", "digest": {"sha256": plan.policy_sha256}},
        {
            "name": "codex",
            "uri": f"pkg:pypi/openai-codex-cli-bin@{version}",
            **_digest(machine.codex_sha256),
        },
        {
            "name": "engine",
            "uri": f"{_OURS}/engine/{plan.engine}",
            **_digest(machine.engine_sha256),
        },
        *([{"name": "image", **_digest(machine.image_sha256)}] if machine.image_sha256 else []),
    ]


def run(
    report: RunReport, files: Digests, resolved: Sequence[object], intent: ReceiptId | None
) -> Statement:
    """SLSA provenance: who made this commit, from what, asked for what."""
    plan = report.plan
    return Statement(
        "run",
        subject(report, files),
        {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": asked(plan) if plan else {},
                "internalParameters": _decided(plan) if plan else {},
                "resolvedDependencies": [*resolved],
            },
            "runDetails": {
                "builder": {
                    "id": BUILDER,
                    "version": {"codex-runner": plan.version if plan else ""},
                },
                "metadata": {
                    "invocationId": report.run,
                    "startedOn": report.started_at.isoformat(),
                    "finishedOn": report.finished_at.isoformat(),
                },
                "byproducts": [
                    {"name": name, "digest": {"sha256": digest}} for name, digest in files.items()
                ],
            },
            "codexrunner_intent": intent,
            "codexrunner_conclusion": report.conclusion,
        },
        _about(plan, report.run),
    )


def tests(report: RunReport, files: Digests) -> Statement | None:
    """in-toto test-result; None = the tests gate did not decide."""
    gate = next((each for each in report.gates if each.gate == TESTS_GATE), None)
    if gate is None or report.plan is None or gate.verdict not in _TEST_RESULTS:
        return None
    command = (report.plan.test or "").encode()
    return Statement(
        "tests",
        subject(report, files),
        {
            "result": _TEST_RESULTS[gate.verdict],
            "configuration": [
                {"name": "command", "digest": {"sha256": hashlib.sha256(command).hexdigest()}},
                {"name": "policy", "digest": {"sha256": report.plan.policy_sha256}},
            ],
            "codexrunner_summary": gate.summary,
            "codexrunner_evidence": dict(gate.evidence),
        },
        _about(report.plan, report.run),
    )


def verdict(report: RunReport, files: Digests, inputs: Sequence[Entry]) -> Statement | None:
    """SLSA verification summary; None = there is no change to speak of."""
    plan, patch = report.plan, report.patch
    if plan is None or patch is None:
        return None
    passed = has_passed(report)
    return Statement(
        "verdict",
        subject(report, files),
        {
            "verifier": {"id": BUILDER, "version": {"codex-runner": plan.version}},
            "timeVerified": report.finished_at.isoformat(),
            "resourceUri": f"git+{plan.remote or ''}@refs/heads/{plan.branch}",
            "policy": {"uri": f"{_OURS}/policy", "digest": {"sha256": plan.policy_sha256}},
            "inputAttestations": [
                {"uri": entry.id, "digest": {"sha256": hashlib.sha256(entry.envelope).hexdigest()}}
                for entry in inputs
            ],
            "verificationResult": "PASSED" if passed else "FAILED",
            "verifiedLevels": [GATED if passed else "FAILED"],
            "slsaVersion": "1.1",
            "codexrunner_gates": [gate_row(gate) for gate in report.gates],
        },
        _about(plan, report.run),
    )


def outcome(
    report: RunReport, files: Digests, intent: ReceiptId | None, before: Sequence[Entry]
) -> Statement:
    """How it ended, and everything the ledger was told of it until then."""
    publication = report.publication
    return Statement(
        "outcome",
        {name: {"sha256": digest} for name, digest in files.items() if name == "report.json"},
        {
            "what": RUN,
            "run": report.run,
            "intent": intent,
            "conclusion": report.conclusion,
            "exit_code": report.exit_code,
            "publication": publication and publication.model_dump(mode="json"),
            "receipts": len(before),
            "receipts_sha256": of_receipts([entry.id for entry in before]),
        },
        _about(report.plan, report.run),
    )


def has_passed(report: RunReport) -> bool:
    """Every gate passed or was waived, of a run that came to its end."""
    verdicts = {gate.verdict for gate in report.gates}
    return report.standing is not None and bool(verdicts) and verdicts <= {"passed", "waived"}


def gate_row(gate: GateReport) -> dict[str, object]:
    """One gate's answer: its name, verdict and codes of findings."""
    return {
        "gate": gate.gate,
        "verdict": gate.verdict,
        "findings": [finding.code for finding in gate.findings],
    }


def subject(report: RunReport, files: Digests) -> dict[str, Digests]:
    """Commit, tree and patch; of a run that left none its plan, or its report."""
    found: dict[str, Digests] = {}
    if report.patch is not None:
        found["commit"] = {"gitCommit": report.patch.commit}
        found["tree"] = {"gitTree": report.patch.tree}
    if "patch" in files:
        found["patch"] = {"sha256": files["patch"]}
    if not found and report.plan is not None:
        found["plan"] = {"sha256": report.plan.digest()}
    return found or {"report.json": {"sha256": files["report.json"]}}


def of_receipts(ids: Sequence[str]) -> Sha256:
    """A digest of ids in their order."""
    return Sha256(hashlib.sha256("".join(f"{each}\n" for each in ids).encode()).hexdigest())


def asked(plan: Plan) -> Json:
    """What a person, or somebody who wrote an issue, wanted: to be looked at, not to be trusted."""
    return {
        "prompt": {"sha256": hashlib.sha256(plan.task.prompt.encode()).hexdigest()},
        "task": {"sha256": plan.task.sha256},
        "repository": plan.remote or "",
        "ref": f"refs/heads/{plan.target}",
        "level": plan.standing.level,
    }


def _decided(plan: Plan) -> Json:
    return {
        "plan": {"sha256": plan.digest()},
        "policySources": dict(plan.policy_sources),
        "engine": plan.engine,
        "models": {"agent": plan.model, "review": plan.reviewer_model},
        "branch": plan.branch,
    }


def _digest(sha256: str) -> Json:
    return {"digest": {"sha256": sha256}} if sha256 else {}


def _about(plan: Plan | None, run: RunId) -> About:
    """A run in which nobody works is no agent's doing."""
    agent = plan.agent if plan else None
    return About(run) if agent is None else About(run, agent.id, agent.tenant)
