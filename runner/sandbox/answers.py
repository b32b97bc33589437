"""What a probe inside a sandbox answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.records.sandbox import StopReason


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
