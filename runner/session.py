"""One session of codex: a model lent, a sandbox run to its end, the model taken away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from runner.errors import BudgetError, InfraError, RunnerError
from runner.ports import Session
from runner.records.agent import AgentResult
from runner.records.plan import Plan
from runner.records.sandbox import Overlay, Walls
from runner.records.task import Limits, how_to_raise
from runner.records.usage import Budget
from runner.told import stopped
from runner.world import World

BROKER_GRACE_S = 10
"""The sandbox's own clock ends a session; the broker's is there for when that fails."""


def work(world: World, overlay: Overlay) -> AgentResult:
    """The author: writes in `overlay`."""
    plan = world.plan
    return _hold(world, "agent", plan.model, world.prompt(plan), overlay, None)


def review(world: World, prompt: str, schema: Mapping[str, object]) -> AgentResult:
    """The reviewer: another model, an empty directory, a schema for its answer.

    Raises:
        InfraError: the model could not be used.
    """
    model = world.plan.reviewer_model
    result = _hold(world, "review", model, prompt, None, schema)
    if result.fault is not None:
        raise _unusable(model, result.fault, world.plan.upstream)
    return result


def failure(plan: Plan, agent: AgentResult) -> RunnerError:
    """Why the author's session was not ok, as the error that ends the run."""
    stop, exhausted = agent.exit.stopped, agent.usage.exhausted
    if exhausted is not None and stop in {None, "budget"}:
        return _ran_out(exhausted, agent.usage.requests)
    if stop is not None:
        return stopped(stop, "the agent")
    if agent.fault is not None:
        return _unusable(plan.model, agent.fault, plan.upstream)
    return InfraError(
        f"codex did not finish its turn: {agent.reason}", "read `codex-runner logs`, run it again"
    )


def _ran_out(line: str, requests: int) -> BudgetError:
    """`line` as the broker says it: `output_tokens 500000`."""
    limit = line.partition(" ")[0]
    if not requests and limit.endswith("_tokens"):
        problem = f"the agent cannot even start: {line} is less than one request needs"
    else:
        problem = f"the agent was stopped: {line} ran out"
    return BudgetError(problem, how_to_raise(limit))


def _hold(
    world: World,
    role: Literal["agent", "review"],
    model: str,
    prompt: str,
    overlay: Overlay | None,
    schema: Mapping[str, object] | None,
) -> AgentResult:
    limits = world.plan.limits
    wall_s = limits.wall_s if role == "agent" else limits.review_s
    prefix = "" if role == "agent" else "review-"
    log = world.folder.path / f"{prefix}broker.jsonl"
    with world.lender.lend(model, _budget(limits, wall_s), log) as lease:
        result = world.coder.work(
            Session(
                run=world.plan.run,
                role=role,
                model=model,
                prompt=prompt,
                lease=lease,
                walls=walls(limits, wall_s),
                idle_s=limits.idle_s,
                events=world.folder.path / f"{prefix}events.jsonl",
                workspace=overlay,
                schema=schema,
                halted=world.halted,
                on_event=world.progress.event,
                on_usage=world.progress.usage,
            )
        )
        fault = lease.fault()
    blamed = fault is not None and not result.ok and result.exit.stopped is None
    return result.model_copy(update={"fault": fault}) if blamed else result


def _unusable(model: str, fault: str, upstream: str) -> InfraError:
    return InfraError(
        f"the model {model} could not be used: {fault}",
        f"check the key and the provider at {upstream}",
    )


def _budget(limits: Limits, wall_s: int) -> Budget:
    return Budget(
        requests=limits.requests,
        input_tokens=limits.input_tokens,
        output_tokens=limits.output_tokens,
        wall_s=wall_s + BROKER_GRACE_S,
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
