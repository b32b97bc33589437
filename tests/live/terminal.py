"""The real CLI at a terminal of its own."""

from __future__ import annotations

from dataclasses import dataclass

from tests.live.world import CLI, World
from tests.terminal import typed


@dataclass(frozen=True, slots=True)
class Said:
    """Exit code, and everything that stood on the terminal."""

    code: int
    text: str


def at_terminal(world: World, *words: str, answers: str = "") -> Said:
    """Any verb, in the repository; `answers` are typed."""
    argv, here = [*CLI, *words], world.sample.repository
    return Said(*typed(argv, answers, world.env(), here))
