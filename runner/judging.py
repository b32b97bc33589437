"""One measured tree before the gates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from runner import session
from runner.errors import BudgetError, RefusedError
from runner.ports import Case, TestRun, Trial
from runner.records.agent import AgentEvent, AgentResult
from runner.records.gate import Finding, GateReport
from runner.records.patch import Patch
from runner.records.review import OVER_BUDGET
from runner.records.sandbox import Exit, StopReason
from runner.records.static import Analysed, Analysis
from runner.records.usage import Usage
from runner.told import Told, stopped
from runner.world import Ask, World


def judge(
    world: World, told: Told, patch: Patch, texts: Mapping[str, str], layers: tuple[Path, ...]
) -> None:
    """Fills `told.gates`, one by one. `texts` would leave the machine beside the tree.

    Raises:
        RefusedError: one of them refused.
        BudgetError: the reviewers' budget ran out, and nothing else refused.
        InfraError: a gate could not decide.
    """

    def hear(report: GateReport) -> None:
        told.gates = (*told.gates, report)
        world.progress.gate(report)

    def review(prompt: str, schema: Mapping[str, object], model: str) -> AgentResult:
        result = session.review(world, prompt, schema, model, told.reviews, before)
        told.reviews = (*told.reviews, result)
        _heed(result.exit, "the review gate")
        return result

    before = len(told.reviews)
    case = Case(
        plan=world.plan,
        patch=patch,
        blob=world.source.blob,
        at_base=world.source.at_base,
        base_blob=world.source.base_blob,
        diff=lambda: world.source.diff(patch),
        texts=texts,
        held=world.lender.holds(),
        test=partial(_test, world, patch, layers),
        analyse=partial(_analyse, world, layers),
        review=review,
        author=told.agent.usage.served if told.agent else "",
        ground=f"{world.source.base.tree} {world.engine.fingerprint} {[*map(str, layers)]}",
    )
    world.judge(case, hear)
    _require_cleared(world, told)


def beside(world: World, told: Told) -> Ask:
    """Asks the first reviewer something while the author waits: out of the reviewers' budget, and
    with a clock for all of an attempt's questions."""
    before = len(told.reviews)

    def ask(prompt: str, schema: Mapping[str, object], useless: Callable[[], bool]) -> AgentResult:
        def halted() -> StopReason | None:
            return world.halted() or ("halted" if useless() else None)

        apart = replace(world, halted=halted, progress=_Unseen())
        model = world.plan.reviewer_model
        result = session.review(apart, prompt, schema, model, told.reviews, before)
        told.reviews = (*told.reviews, result)
        return result

    return ask


class _Unseen:
    """A `Progress` of a session that nobody follows: the author's is shown."""

    def phase(self, name: str) -> None: ...
    def event(self, event: AgentEvent) -> None: ...
    def usage(self, usage: Usage) -> None: ...
    def gate(self, report: GateReport) -> None: ...


def _require_cleared(world: World, told: Told) -> None:
    if all(_is_cleared(world, report) for report in told.gates):
        return
    refused = [gate for gate in told.gates if gate.verdict == "refused"]
    findings = [finding for gate in refused for finding in gate.findings]
    if findings and all(finding.code == OVER_BUDGET for finding in findings):
        # nobody judged the change: with more to spend the run can be resumed from its patch
        raise BudgetError(findings[0].why, findings[0].remedy)
    remedy = f"read why: codex-runner explain {told.run}; the patch is kept"
    raise RefusedError(f"refused by: {', '.join(gate.gate for gate in refused)}", remedy)


def _is_cleared(world: World, report: GateReport) -> bool:
    """Passed, waived in the open, or left out by the person who asked."""
    left_out = report.verdict == "not-run" and report.gate in world.without
    return left_out or report.verdict in {"passed", "waived"}


def unmeasurable(told: Told, refusal: RefusedError) -> None:
    """Tells why a tree has no id."""
    told.gates = (unmeasured(refusal),)


def unmeasured(refusal: RefusedError) -> GateReport:
    """What the ingest refused."""
    finding = Finding(
        gate="ingest",
        code="ingest.refused",
        why=refusal.problem,
        remedy=refusal.remedy,
        retryable=True,
        layer="built-in",
    )
    return _refused("the tree cannot be measured", (finding,))


def refuse(told: Told, summary: str, findings: tuple[Finding, ...]) -> None:
    """In a gate's words, before there are gates."""
    told.gates = (_refused(summary, findings),)


def _refused(summary: str, findings: tuple[Finding, ...]) -> GateReport:
    gate = findings[0].gate
    return GateReport(gate=gate, verdict="refused", summary=summary, findings=findings)


def _analyse(world: World, layers: tuple[Path, ...], analysis: Analysis) -> Analysed:
    if analysis.place == "alone":
        result = world.analyse(None, analysis)
    else:
        with world.source.workspace(world.engine, "static", over=layers) as overlay:
            result = world.analyse(overlay, analysis)
    _heed(result.exit, "the static gate")
    return result


def _test(world: World, patch: Patch, layers: tuple[Path, ...], trial: Trial) -> TestRun:
    """With the tracked files it wrote."""
    tree = None if trial.base else patch.tree
    with world.source.workspace(world.engine, trial.name, tree, layers) as overlay:
        result = world.test(overlay, trial)
        _heed(result.exit, "the tests gate")
        try:
            return replace(result, tree_changed=world.source.touched(overlay))
        except RefusedError as odd:
            return replace(result, tree_unread=odd.problem)


def _heed(exit: Exit, what: str) -> None:
    """A person's stop ends the run; a gate's own time limit is the gate's to judge."""
    if exit.stopped in {"interrupted", "halted"}:
        raise stopped(exit.stopped, what)
