"""One session of codex: a model lent, a sandbox run to its end, the model taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal

from runner.errors import BudgetError, InfraError, RunnerError
from runner.ports import Session
from runner.records.agent import AgentResult
from runner.records.plan import Plan
from runner.records.report import Attempt
from runner.records.sandbox import Overlay, Walls
from runner.records.task import Limits, how_to_raise
from runner.records.usage import Budget, Usage, total
from runner.told import stopped
from runner.world import Ask, World

MIB = 1024 * 1024
BROKER_GRACE_S = 10
"""The sandbox's own clock ends a session; the broker's is there for when that fails."""


@dataclass(frozen=True, slots=True)
class _Sitting:
    """What one session differs in from the others."""

    role: Literal["agent", "review"]
    model: str
    prompt: str
    prefix: str
    """Of its files in the run's folder."""
    wall_s: int
    spent: tuple[Usage, ...] = ()
    """By earlier sessions out of the same budget."""
    workspace: Overlay | None = None
    schema: Mapping[str, object] | None = None
    ask: Ask | None = None


def work(
    world: World, overlay: Overlay, prompt: str, earlier: Sequence[Attempt], ask: Ask | None = None
) -> AgentResult:
    """The author: writes in `overlay`. All its attempts share one budget and one clock. `ask`: how
    a reviewer is asked about what waits for a person meanwhile."""
    plan = world.plan
    sessions = tuple(attempt.agent for attempt in earlier)
    return _hold(
        world,
        _Sitting(
            role="agent",
            model=plan.model,
            prompt=prompt,
            prefix=f"{len(earlier) + 1}-" if earlier else "",
            wall_s=left_s(plan.limits, sessions),
            spent=tuple(session.usage for session in sessions),
            workspace=overlay,
            ask=ask,
        ),
    )


def left_s(limits: Limits, sessions: Sequence[AgentResult]) -> int:
    """Of the author's wall clock, after these."""
    return limits.wall_s - sum(session.exit.duration_ms for session in sessions) // 1000


def review(
    world: World,
    prompt: str,
    schema: Mapping[str, object],
    model: str,
    earlier: Sequence[AgentResult],
    before: int,
) -> AgentResult:
    """A reviewer: another model, an empty directory, a schema for its answer.

    All of a run's share one budget; those of one gate, `earlier` from `before` on, one clock.

    Raises:
        InfraError: the model could not be used.
    """
    plan = world.plan
    used_s = sum(each.exit.duration_ms for each in earlier[before:]) // 1000
    sitting = _Sitting(
        role="review",
        model=model,
        prompt=prompt,
        prefix=f"review-{len(earlier) + 1}-" if earlier else "review-",
        wall_s=max(1, plan.limits.review_s - used_s),
        spent=tuple(each.usage for each in earlier),
        schema=schema,
    )
    result = _hold(world, sitting)
    if result.fault is not None:
        raise _unusable(model, result.fault, plan.review_upstream)
    if result.gated is not None and (unseen := result.gated.unreceipted):
        return result.model_copy(update={"ok": False, "reason": unseen[0]})
    return result


def failure(plan: Plan, agent: AgentResult) -> RunnerError:
    """Why the author's session was not ok, as the error that ends the run."""
    stop, exhausted = agent.exit.stopped, agent.usage.exhausted
    if exhausted is not None and stop in {None, "budget"}:
        return _ran_out(exhausted, agent.usage.requests)
    if stop is not None:
        return stopped(stop, "the agent")
    if agent.exit.out_of_memory:
        return BudgetError("the agent ran out of memory", how_to_raise("memory_mib"))
    if agent.fault is not None:
        return _unusable(plan.model, agent.fault, plan.upstream)
    return InfraError(
        f"codex did not finish its turn: {agent.reason}", "read `codex-runner logs`, run it again"
    )


def _ran_out(line: str, requests: int) -> BudgetError:
    """`line` as the broker says it: `output_tokens 500000`."""
    limit = line.partition(" ")[0]
    if limit == "refused":
        problem = f"the agent was stopped: the broker refused {line.partition(' ')[2]} requests"
        return BudgetError(problem, "read broker.jsonl in the run's folder")
    if not requests and limit in {"input_tokens", "output_tokens"}:
        problem = f"the agent cannot even start: {line} is less than one request needs"
    else:
        problem = f"the agent was stopped: {line} ran out"
    return BudgetError(problem, how_to_raise(limit))


def _hold(world: World, sitting: _Sitting) -> AgentResult:
    limits = world.plan.limits
    log = world.folder.path / f"{sitting.prefix}broker.jsonl"
    lender = world.reviewing if sitting.role == "review" else world.lender
    with (
        lender.lend(sitting.model, _budget(limits, sitting), log) as lease,
        world.gate(sitting.role, sitting.model, lease) as held,
        held.advised(sitting.ask) if sitting.ask else nullcontext(),
    ):
        worked = world.coder.work(
            Session(
                run=world.plan.run,
                role=sitting.role,
                model=sitting.model,
                prompt=sitting.prompt,
                lease=held.lease,
                walls=walls(limits, sitting.wall_s),
                idle_s=limits.idle_s,
                events=world.folder.path / f"{sitting.prefix}events.jsonl",
                workspace=sitting.workspace,
                read_only=world.plan.standing.level == 0,
                schema=sitting.schema,
                halted=world.halted,
                on_event=world.progress.event,
                on_usage=world.progress.usage,
            )
        )
        fault, result = lease.fault(), held.account(worked)
    blamed = fault is not None and not result.ok and result.exit.stopped is None
    return result.model_copy(update={"fault": fault}) if blamed else result


def _unusable(model: str, fault: str, upstream: str) -> InfraError:
    return InfraError(
        f"the model {model} could not be used: {fault}",
        f"check the key and the provider at {upstream}",
    )


def _budget(limits: Limits, sitting: _Sitting) -> Budget:
    """What is left; where that is nothing, the broker serves no request."""
    used = total(sitting.spent) or Usage()
    return Budget(
        requests=max(0, limits.requests - used.requests),
        tool_calls=max(0, limits.tool_calls - used.tool_calls),
        history_items=limits.history_items,
        history_mib=limits.history_mib,
        sent_mib=max(0, limits.sent_mib - used.sent_bytes // MIB),
        input_tokens=max(0, limits.input_tokens - used.input_tokens),
        output_tokens=max(0, limits.output_tokens - used.output_tokens),
        wall_s=sitting.wall_s + BROKER_GRACE_S,
    )


def walls(limits: Limits, wall_s: int) -> Walls:
    """A plan's limits as the walls of one sandbox."""
    return Walls(
        wall_s=wall_s,
        memory_mib=limits.memory_mib,
        pids=limits.pids,
        cpus=limits.cpus,
        file_mib=limits.file_mib,
        disk_mib=limits.disk_mib,
        entries=limits.entries,
        output_mib=limits.output_mib,
    )
