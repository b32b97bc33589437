"""The story of one run.

The security argument, each claim numbered; tests carry the same numbers.
1. The agent works in a sandbox whose only way out is a broker's socket; no credential is inside.
2. The model is taken away and the sandbox is dead before anybody looks at what it left.
3. What it left is measured once, by the host, as one tree id in a private repository.
4. Every gate speaks of that tree; one that cannot decide ends the run, it does not pass.
5. Only a tree whose gates all passed (or were waived in the open) is pushed: one commit, by object
   id, to one generated ref that did not exist.
6. Whatever happens, the patch is kept and a signed receipt is written (`told.Told`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from runner import publish, session
from runner.errors import NothingToDoError, RefusedError, RunnerError
from runner.ports import Case, TestRun
from runner.records.agent import AgentResult
from runner.records.gate import Finding, GateReport
from runner.records.patch import Patch
from runner.records.sandbox import Exit, Overlay
from runner.told import Told, stopped
from runner.world import World

CLEARED = frozenset({"passed", "waived"})


def tell(world: World, told: Told) -> None:
    """From plan to request. Raises a RunnerError for every ending but success."""
    plan = told.plan = world.plan
    world.folder.write("plan.json", plan.canonical())
    with world.source.workspace(world.engine, "agent") as overlay:
        told.phase("agent")
        told.agent = session.work(world, overlay)  # claims 1 and 2
        told.phase("ingest")
        _measure(world, overlay, told, told.agent)  # claim 3
    patch = told.patch
    if patch is None or patch.empty:
        raise NothingToDoError("the agent changed nothing", f"read `codex-runner logs {plan.run}`")
    told.phase("gates")
    _judge(world, told, patch, told.agent)  # claim 4
    if not all(report.verdict in CLEARED for report in told.gates):
        refused = ", ".join(gate.gate for gate in told.gates if gate.verdict == "refused")
        raise RefusedError(
            f"refused by: {refused}",
            f"read why in {world.folder.path}/report.md; the patch is kept",
        )
    if (reason := world.halted()) is not None:  # asked for while the last sandbox was ending
        raise stopped(reason, "the run")
    if world.forge is not None:
        told.phase("publish")
        publish.publish(world, world.forge, told, patch, told.agent)  # claim 5


def _measure(world: World, overlay: Overlay, told: Told, agent: AgentResult) -> None:
    """Keeps the patch; of a session that failed too, but then the failure comes first."""
    if not agent.ok:
        with suppress(RunnerError):
            told.patch = _ingest(world, overlay)
        raise session.failure(world.plan, agent)
    try:
        told.patch = _ingest(world, overlay)
    except RefusedError as refusal:
        told.gates = (_refused_tree(refusal),)
        raise


def _refused_tree(refusal: RefusedError) -> GateReport:
    finding = Finding(
        gate="ingest",
        code="ingest.refused",
        why=refusal.problem,
        remedy=refusal.remedy,
        retryable=True,
    )
    summary = "the tree cannot be measured"
    return GateReport(gate="ingest", verdict="refused", summary=summary, findings=(finding,))


def _ingest(world: World, overlay: Overlay) -> Patch:
    patch = world.source.ingest(overlay, world.commit_message(world.plan))
    world.folder.write("patch", world.source.diff(patch))
    return patch


def _judge(world: World, told: Told, patch: Patch, agent: AgentResult) -> None:
    def hear(report: GateReport) -> None:  # kept one by one: what passed before a ^C has passed
        told.gates = (*told.gates, report)
        world.progress.gate(report)

    def test(command: str) -> TestRun:
        with world.source.workspace(world.engine, "tests", patch.tree) as overlay:
            result = world.test(overlay, command)
        _heed(result.exit, "the tests gate")
        return result

    def review(prompt: str, schema: Mapping[str, object]) -> AgentResult:
        result = session.review(world, prompt, schema)
        told.review_usage = result.usage
        _heed(result.exit, "the review gate")
        return result

    case = Case(
        plan=world.plan,
        patch=patch,
        blob=world.source.blob,
        at_base=world.source.at_base,
        diff=lambda: world.source.diff(patch),
        texts=publish.texts(world, told, patch, agent),
        held=world.lender.holds(),
        test=test,
        review=review,
    )
    world.judge(case, hear)


def _heed(exit: Exit, what: str) -> None:
    """A person's stop ends the run; a gate's own time limit is the gate's to judge."""
    if exit.stopped in {"interrupted", "halted"}:
        raise stopped(exit.stopped, what)
