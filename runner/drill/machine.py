"""What a drill needs of the product: a scripted model that is served, and a whole real run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from runner.drill.ground import Ground
from runner.drill.scenario import Scene, Script
from runner.records.report import RunReport
from runner.records.script import Heard


class Model(Protocol):
    """The scripted model while it is served."""

    @property
    def url(self) -> str: ...
    @property
    def requests(self) -> list[Heard]: ...


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that has ended."""

    report: RunReport
    folder: Path
    shown: str
    """What a terminal is told at its end."""


@dataclass(frozen=True, slots=True)
class Machine:
    """`machine.play(ground, script)` is one whole run."""

    serve: Callable[[Script], AbstractContextManager[Model]]
    perform: Callable[[Script, str], Ran]
    """The script's run against the model at this address."""

    def play(self, ground: Ground, script: Script) -> Scene:
        """Raises KeyboardInterrupt: the run was interrupted; RunnerError: it could not begin."""
        with self.serve(script) as model:
            ran = self.perform(script, model.url)
            requests = tuple(model.requests)
        if ran.report.conclusion == "interrupted":
            raise KeyboardInterrupt
        return Scene(ground, script, ran.report, ran.folder, requests, ran.shown)
