"""Start and end of a sandbox around `true`: both engines against the bare tool below each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter

from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import SandboxSpec, StopReason, Walls
from tests.bench.command import finish, plain_env
from tests.bench.engines import bubblewrap, docker
from tests.bench.rounds import Setting, interleave, seconds
from tests.bench.row import Result, Row, Unmeasured, UnmeasuredError

TEARDOWN_MS = {"bubblewrap": 50.0, "docker": 300.0}
NAMESPACES = ("--unshare-user", "--unshare-all", "--die-with-parent", "--new-session")
FILES = ("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")
SPEC = SandboxSpec(RunId("bench"), "probe", ("true",), {"PATH": "/usr/bin:/bin"}, Walls(60), "/")


class Deaf:
    """A Watch that hears nothing and stops nothing."""

    def stdout(self, chunk: bytes) -> None: ...
    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None


def measure(setting: Setting) -> Iterator[Result]:
    makers: dict[str, Callable[[], tuple[Engine, Sequence[str | Path]]]] = {
        "bubblewrap start of `true` / bwrap": _bubblewrap,
        "docker start of `true` / docker run --network none": _docker,
    }
    for what, make in makers.items():
        try:
            engine, bare = make()
            yield _row(what, engine, bare, setting.rounds)
            yield _teardown(engine, setting.rounds)
        except UnmeasuredError as error:
            yield Unmeasured(what, str(error))


def _row(what: str, engine: Engine, bare: Sequence[str | Path], rounds: int) -> Row:
    def ours() -> None:
        if engine.run(SPEC, b"", Deaf()).code != 0:
            raise UnmeasuredError(f"`true` failed in the {engine.name} engine")

    env = plain_env(HOME=os.environ.get("HOME", "/"))
    arms = {
        "ours": lambda: 1000 * seconds(ours),
        "bare": lambda: 1000 * seconds(lambda: finish(bare, env=env)),
    }
    interleave(arms, 1)
    taken = interleave(arms, 3 * rounds)
    return Row(what, "ms", taken["ours"], taken["bare"], "ratio")


def _teardown(engine: Engine, rounds: int) -> Row:
    """From the command's end until nothing of its sandbox is left."""

    def after() -> float:
        began = perf_counter()
        end = engine.run(SPEC, b"", Deaf())
        return 1000 * (perf_counter() - began) - end.start_ms - end.duration_ms

    taken = interleave({"after": after}, 3 * rounds)
    what = f"{engine.name}: removal of a sandbox after its end"
    return Row(what, "ms", taken["after"], (), "itself", at_most=TEARDOWN_MS[engine.name])


def _bubblewrap() -> tuple[Engine, Sequence[str | Path]]:
    engine, package = bubblewrap()
    return engine, (package.bubblewrap, *NAMESPACES, *FILES, "--", "true")


def _docker() -> tuple[Engine, Sequence[str | Path]]:
    engine, image = docker()
    return engine, ("docker", "run", "--rm", "--network", "none", image, "true")
