"""One attempt at the task: a session of the author, what it left measured, the gates asked.

A refusal that the author could mend is handed back to it as the prompt of a new session in the same
workspace, while attempts, budget and clock allow, and while it gets anywhere: the same refusal
twice is the end.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from pathlib import Path

from runner import completeness, evidence, judging, publish, session
from runner.errors import NothingToDoError, RefusedError, RunnerError
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.sandbox import Overlay
from runner.told import Told
from runner.world import World

LEAST_S = 30
"""Of the wall clock, for another attempt to be worth its start."""


def succeed(
    world: World,
    told: Told,
    overlay: Overlay,
    layers: tuple[Path, ...],
    prompt: str = "",
    kept: Patch | None = None,
) -> Patch:
    """As many attempts as it takes and there are; the patch whose gates all passed.

    The first session is told `prompt`, or else the task. `kept` is what an earlier run's last
    session left in `overlay`: it needs no session of its own.

    Raises:
        RefusedError: the last attempt was refused.
        RunnerError: every other ending.
    """
    prompt = prompt or world.prompt(world.plan)
    while True:
        try:
            patch = kept or _worked(world, told, overlay, prompt)
            kept = None
            assert told.agent is not None
            told.phase("gates")
            texts = publish.texts(world, told, patch, told.agent)
            judging.judge(world, told, patch, texts, layers)  # claim 4
            return patch
        except RefusedError as refusal:
            if not _may_try_again(world, told):
                raise
            gates, notes = _handed_back(world, told.gates, refusal)
            kept, prompt = None, world.repair_prompt(world.plan, gates)
            told.next_attempt("; ".join((refusal.problem, *notes)))


def _worked(world: World, told: Told, overlay: Overlay, prompt: str) -> Patch:
    told.phase("agent")
    ask = judging.beside(world, told)
    agent = told.agent = session.work(world, overlay, prompt, told.attempts, ask)  # claims 1 and 2
    told.phase("ingest", anyway=True)
    patch = _measure(world, overlay, told, agent)  # claim 3
    if patch.empty:
        run = world.plan.run
        raise NothingToDoError("the agent changed nothing", f"read `codex-runner logs {run}`")
    return patch


def _may_try_again(world: World, told: Told) -> bool:
    """Everything that was refused can be mended, something changed, and there is room for it."""
    plan = world.plan
    findings = [
        finding for gate in told.gates if gate.verdict == "refused" for finding in gate.findings
    ]
    blocking = [finding for finding in findings if not finding.why.startswith("warning")]
    if not blocking or not all(finding.retryable for finding in blocking):
        return False
    refusal = refusal_of(told.gates)
    if any(refusal_of(earlier.gates) == refusal for earlier in told.attempts):
        return False
    left_s = session.left_s(plan.limits, told.sessions)
    return (
        len(told.sessions) < plan.limits.attempts and left_s >= LEAST_S and world.halted() is None
    )


def _handed_back(
    world: World, gates: tuple[GateReport, ...], refusal: RefusedError
) -> tuple[tuple[GateReport, ...], tuple[str, ...]]:
    """The refusals as the author may be told them, and what was found in them: they repeat what
    the agent and the repository print.

    Raises:
        RefusedError: it may not be told.
    """
    refused = [gate for gate in gates if gate.verdict == "refused"]
    words = [word for gate in refused for each in gate.findings for word in (each.why, each.remedy)]
    try:
        text, notes = world.admit("the refusal", "\n".join(words))
    except RefusedError as block:
        problem = f"{refusal.problem}; it cannot be handed back to the agent: {block.problem}"
        raise RefusedError(problem, refusal.remedy) from block
    lines = iter(text.split("\n"))

    def again(word: str) -> str:
        return "\n".join(islice(lines, word.count("\n") + 1))

    def told(gate: GateReport) -> GateReport:
        findings = tuple(
            each.model_copy(update={"why": again(each.why), "remedy": again(each.remedy)})
            for each in gate.findings
        )
        return gate.model_copy(update={"findings": findings})

    return tuple(told(gate) for gate in refused), notes


def refusal_of(gates: tuple[GateReport, ...]) -> frozenset[tuple[str, str, str]]:
    """What was refused, so that two refusals can be compared: gate, code and path."""
    return frozenset(
        (finding.gate, finding.code, finding.path or "")
        for gate in gates
        if gate.verdict == "refused"
        for finding in gate.findings
        if not finding.why.startswith("warning")
    )


def _measure(world: World, overlay: Overlay, told: Told, agent: AgentResult) -> Patch:
    """Keeps the patch; of a session that failed too, but then the failure comes first."""
    if not agent.ok:
        with suppress(RunnerError):
            told.patch = _ingest(world, overlay)
            told.keep()
        raise session.failure(world.plan, agent)
    before = world.source.base.tree if told.patch is None else told.patch.tree
    try:
        patch = told.patch = _ingest(world, overlay)
    except RefusedError as refusal:
        judging.unmeasurable(told, refusal)
        raise
    contradictions = (*evidence.objections(agent, patch, before), *completeness.objections(agent))
    if contradictions:
        judging.refuse(told, "the witnesses contradict each other", contradictions)
        raise RefusedError(contradictions[0].why, contradictions[0].remedy)
    told.keep()
    return patch


def _ingest(world: World, overlay: Overlay) -> Patch:
    patch = world.source.ingest(overlay, world.commit_message(world.plan))
    world.folder.write("patch", world.source.diff(patch))
    return patch
