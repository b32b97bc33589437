"""The setup of one run: what its tests need, installed in a sandbox of its own before any agent.

1. Commands and hosts are the base commit's and the operator's; a task adds none.
2. Only this sandbox has a way out, and only it has the setup's credentials; it is dead, and both
   are gone, before the agent's begins.
3. What it left becomes a read-only layer, without a path of the base and without a credential:
   only what the base's `.gitignore` ignores, so `.deps/` must be in it. The rest is dropped, told.
4. The layer's name is all that decides its content: the files shown, `.gitignore` files, commands,
   hosts, credentials' names, engine and python. So a cached one is what the commands would make
   again; one that would hide a path of the current base is made again for that base.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError, RunnerError
from runner.records.base import Sha256
from runner.records.plan import Plan
from runner.records.sandbox import Exit, Overlay, SandboxSpec, StopReason, Walls
from runner.records.setup import Setup, SetupResult, Traffic, Wanted
from runner.records.task import how_to_raise
from runner.text import line
from runner.told import Told, stopped
from runner.world import World

PROBE_S = 30
WHICH_PYTHON = "import platform, sys; print(sys.version, platform.machine(), *platform.libc_ver())"


def prepare(world: World, told: Told) -> tuple[Path, ...]:
    """Layers to lie over the base: one, or none without a setup.

    Raises:
        InfraError: a command failed or took too long.
        RefusedError: what it left cannot be kept.
    """
    setup, installer = world.plan.setup, world.setup
    if setup is None or installer is None:
        return ()
    told.phase("setup")

    def make(overlay: Overlay) -> None:
        told.setup = installer.install(overlay)
        if (failure := _failure(world.plan, told.setup, told.setup.exit)) is not None:
            raise failure

    def wait() -> None:
        if (reason := world.halted()) is not None:
            raise stopped(reason, "the setup")

    wanted = Wanted(
        about=_about(world, setup),
        shows=installer.shows,
        make=make,
        wait=wait,
        most_bytes=world.plan.limits.disk_mib << 20,
        held=world.lender.holds(),
    )
    layer = world.source.layer(world.engine, wanted)
    told.setup = (told.setup or SetupResult()).model_copy(
        update={
            "key": layer.key,
            "cached": layer.cached,
            "files": layer.files,
            "size_bytes": layer.size_bytes,
            "dropped": layer.dropped,
        }
    )
    return (layer.path,)


def script(commands: Sequence[str]) -> str:
    """One shell command: each in a shell of its own, told before it starts, until one fails."""
    each = 'printf "+ %s\\n" "$command"; /bin/sh -c "$command" || exit'
    return f"for command in {shlex.join(commands)}; do {each}; done"


def _about(world: World, setup: Setup) -> Sha256:
    """Digest of all that decides the layer, besides the files shown."""
    engine = world.engine
    given = [setup.commands, setup.hosts, setup.secrets]
    facts = [*given, engine.name, engine.fingerprint, _python(world)]
    return Sha256(hashlib.sha256(json.dumps(facts).encode()).hexdigest())


@dataclass(slots=True)
class _Heard:
    """A Watch that remembers a line."""

    said: bytearray = field(default_factory=bytearray)

    def stdout(self, chunk: bytes) -> None:
        self.said += chunk

    stderr = stdout

    def stop(self) -> StopReason | None:
        return None


def _python(world: World) -> str:
    """Which python the sandboxes have: what is installed is often compiled for it."""
    engine, heard = world.engine, _Heard()
    spec = SandboxSpec(
        run=world.plan.run,
        role="probe",
        argv=(engine.python, "-I", "-S", "-c", WHICH_PYTHON),
        env={"PATH": engine.path},
        walls=Walls(wall_s=PROBE_S),
    )
    engine.run(spec, b"", heard)
    return bytes(heard.said).decode(errors="replace")


def _failure(plan: Plan, result: SetupResult, exit: Exit | None) -> RunnerError | None:
    if exit is None or (exit.stopped is None and exit.code == 0):
        return None
    traffic = result.traffic
    if exit.stopped == "wall-clock":
        problem = f"the setup took more than setup_s {plan.limits.setup_s}"
        return InfraError(problem + _denied(traffic), _remedy(traffic, how_to_raise("setup_s")))
    if exit.stopped is not None:
        return stopped(exit.stopped, "the setup")
    said = result.tail.strip().rpartition("\n")[2]
    why = "ran out of memory" if exit.out_of_memory else line(said, 300) or "it said nothing"
    return InfraError(
        f"the setup failed with exit status {exit.code}: {why}{_denied(traffic)}",
        _remedy(traffic, "read setup.log in the run's folder, run it again"),
    )


def _denied(traffic: Traffic) -> str:
    hosts = ", ".join(dict.fromkeys(each.host for each in traffic.denied[:5]))
    return f"; not reached: {line(hosts, 300)}" if hosts else ""


def _remedy(traffic: Traffic, otherwise: str) -> str:
    lines = [each.remedy for each in traffic.denied if each.remedy]
    return f"{lines[0]}; or {otherwise}" if lines else otherwise
