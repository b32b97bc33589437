"""What the checks of both engines are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, Overlay, StopReason


@dataclass(slots=True)
class Answers:
    """A Watch that remembers stdout."""

    out: bytes = b""

    def stdout(self, chunk: bytes) -> None:
        self.out += chunk

    def stderr(self, chunk: bytes) -> None:
        """The engine keeps the end of it."""

    def stop(self) -> StopReason | None:
        return None

    def values(self) -> Mapping[str, str]:
        """`name=value` lines."""
        lines = self.out.decode(errors="replace").splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}


def trial_overlay(engine: Engine, gid: int, folder: Path) -> Overlay:
    """A workspace in `folder` with one file, `gone`, that the engine's user may delete."""
    lower, upper, work = folder / "lower", folder / "upper", folder / "work"
    for directory in (lower, upper, work):
        directory.mkdir(mode=0o755)
    (lower / "gone").write_text("")
    for path in (lower, lower / "gone", upper, work):
        os.chown(path, engine.uid, gid)
    return Overlay((lower,), upper, work, attributes=engine.attributes)


def failed(name: str, error: InfraError) -> Check:
    """A check that could not even be tried."""
    return Check(name=name, ok=False, detail=error.problem, remedy=error.remedy)
