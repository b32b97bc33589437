"""The posture self-test, looked at and remembered, and `codex-runner doctor` as a whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.engines import ready_engine
from runner.policy.settings import Settings
from runner.ports import Engine
from runner.sandbox.posture import examine
from runner.tried import Tried
from tests.bench.command import finish, plain_env
from tests.bench.engines import bubblewrap, docker, package
from tests.bench.rounds import Setting, interleave, seconds
from tests.bench.row import Result, Row, Unmeasured, UnmeasuredError

RUNNER = Path(sys.executable).with_name("codex-runner")
COLD_MS, WARM_MS, DOCTOR_S = 1000, 20, 3


def measure(setting: Setting) -> Iterator[Result]:
    makers: dict[str, Callable[[], tuple[Engine, object]]] = {
        "bubblewrap": bubblewrap,
        "docker": docker,
    }
    for name, make in makers.items():
        try:
            yield _cold(name, make()[0], setting)
        except UnmeasuredError as error:
            yield Unmeasured(f"posture self-test, {name}", str(error))
    yield _warm(setting)
    yield _doctor(setting)


def _cold(name: str, engine: Engine, setting: Setting) -> Row:
    def look() -> None:
        wanting = [check for check in examine(engine, setting.scratch, True) if not check.ok]
        if wanting:
            raise UnmeasuredError(f"{wanting[0].name}: {wanting[0].detail}")

    taken = _samples(look, setting.rounds, 1000)
    return Row(f"posture self-test, {name}", "ms", taken, (), "itself", at_most=COLD_MS)


def _warm(setting: Setting) -> Row:
    """Choosing an engine that passed before."""
    codex, settings = package(), Settings(engine="bubblewrap")
    tried = Tried(setting.scratch / "tried.json")

    def choose() -> None:
        ready_engine(settings, codex, setting.scratch, tried)

    taken = _samples(choose, 3 * setting.rounds, 1000)
    return Row("an engine that passed before", "ms", taken, (), "itself", at_most=WARM_MS)


def _doctor(setting: Setting) -> Row:
    """The second time: compiling the scanner's rules is once per installation."""
    state = setting.scratch / "state"
    env = plain_env(HOME=os.environ.get("HOME", "/"))
    argv: list[str | Path] = [RUNNER, "doctor", "--state", state]
    taken = _samples(lambda: finish(argv, env=env), setting.rounds, 1)
    return Row("codex-runner doctor, both engines", "s", taken, (), "itself", at_most=DOCTOR_S)


def _samples(work: Callable[[], object], rounds: int, scale: int) -> tuple[float, ...]:
    """After one that does not count."""
    work()
    return interleave({"it": lambda: scale * seconds(work)}, rounds)["it"]
