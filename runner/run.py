"""The story of one run.

The security argument, each claim numbered; tests carry the same numbers.
1. The agent works in a sandbox whose only way out is a broker's socket; no credential is inside.
   What a setup fetched before (`setup`) lies read-only under its workspace.
2. The model is taken away and the sandbox is dead before anybody looks at what it left.
3. What it left is measured once, by the host, as one tree id in a private repository; engine,
   broker and disk must tell the same story of it (`evidence`).
4. Every gate speaks of that tree; one that cannot decide ends the run, it does not pass.
5. Only a tree whose gates all passed (or were waived in the open) is pushed: one commit, by object
   id, to one generated ref that did not exist.
   The level of the run decides whether a person has to approve first (`records.level`).
6. Whatever happens, the patch is kept and a signed receipt is written (`told.Told`).
"""

from __future__ import annotations

from runner import attempt, audit, publish, setup
from runner.records.patch import Patch
from runner.told import Told, stopped
from runner.world import World


def tell(world: World, told: Told) -> None:
    """From plan to request. Raises a RunnerError for every ending but success."""
    plan = told.plan = world.plan
    world.folder.write("plan.json", plan.canonical())
    layers = setup.prepare(world, told)
    if plan.standing.level == 0:
        audit.audit(world, told, layers)
        return
    with world.source.workspace(world.engine, "agent", over=layers) as overlay:
        patch = attempt.succeed(world, told, overlay, layers)  # claims 1 to 4
    finish(world, told, patch)


def finish(world: World, told: Told, patch: Patch) -> None:
    """What passed leaves the machine, if it is to."""
    if (reason := world.halted()) is not None:  # asked for while the last sandbox was ending
        raise stopped(reason, "the run")
    told.standing = world.plan.standing.measured(told.gates)
    if world.forge is not None and told.agent is not None:
        publish.require_level(world.plan, told.standing)
        told.phase("publish")
        told.forget()
        publish.publish(world, world.forge, told, patch, told.agent)  # claim 5
