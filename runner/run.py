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

from runner import session
from runner.errors import InfraError, NothingToDoError, RefusedError, RunnerError
from runner.ports import Case, Forge, Request, TestRun
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
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
    told.gates = _judge(world, told, patch, told.agent)  # claim 4
    refused = [report.gate for report in told.gates if report.verdict not in CLEARED]
    if refused:
        raise RefusedError(
            f"refused by: {', '.join(refused)}",
            f"read why with `codex-runner show {plan.run}`; the patch is kept",
        )
    if world.forge is not None:
        told.phase("publish")
        _publish(world, world.forge, told, patch, told.agent)  # claim 5


def _measure(world: World, overlay: Overlay, told: Told, agent: AgentResult) -> None:
    """Keeps the patch; of a session that failed too, but then the failure comes first."""
    if not agent.ok:
        with suppress(RunnerError):
            told.patch = _ingest(world, overlay)
        raise _failure(agent)
    told.patch = _ingest(world, overlay)


def _ingest(world: World, overlay: Overlay) -> Patch:
    patch = world.source.ingest(overlay, world.commit_message(world.plan))
    world.folder.write("patch", world.source.diff(patch))
    return patch


def _failure(agent: AgentResult) -> RunnerError:
    if agent.exit.stopped is not None:
        return stopped(agent.exit.stopped, "the agent")
    if agent.usage.exhausted is not None:
        return stopped("budget", f"the agent ({agent.usage.exhausted})")
    return InfraError(
        f"codex did not finish its turn: {agent.reason}", "read `codex-runner logs`, run it again"
    )


def _judge(world: World, told: Told, patch: Patch, agent: AgentResult) -> tuple[GateReport, ...]:
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
        diff=lambda: world.source.diff(patch),
        texts=_texts(world, patch, agent, ()),
        held=world.lender.holds(),
        test=test,
        review=review,
    )
    return world.judge(case, world.progress.gate)


def _heed(exit: Exit, what: str) -> None:
    """A person's stop ends the run; a gate's own time limit is the gate's to judge."""
    if exit.stopped in {"interrupted", "halted"}:
        raise stopped(exit.stopped, what)


def _texts(
    world: World, patch: Patch, agent: AgentResult, gates: tuple[GateReport, ...]
) -> dict[str, str]:
    title, body = world.request_text(world.plan, patch, agent, gates)
    return {
        "branch": world.plan.branch,
        "commit message": world.commit_message(world.plan),
        "title": title,
        "body": body,
    }


def _publish(world: World, forge: Forge, told: Told, patch: Patch, agent: AgentResult) -> None:
    """Push, then open the request; a request that cannot be opened takes its branch back."""
    plan = world.plan
    assert plan.remote is not None
    texts = _texts(world, patch, agent, told.gates)
    world.outbound(texts)
    token = forge.token()
    ref = f"refs/heads/{plan.branch}"
    world.source.push(patch.commit, plan.remote, ref, token)
    try:
        told.publication = forge.open(
            Request(
                run=plan.run,
                title=texts["title"],
                body=texts["body"],
                branch=plan.branch,
                target=plan.target,
                commit=patch.commit,
                labels=plan.task.labels,
            )
        )
    except BaseException:
        world.source.withdraw(patch.commit, plan.remote, ref, token)
        raise
