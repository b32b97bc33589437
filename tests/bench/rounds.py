"""Arms in turns: A B A B ..., so that whatever disturbs the machine disturbs them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

Arm = Callable[[], float]
"""Does its work once; what it measured."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every measurement is given."""

    scratch: Path
    """An empty directory on a disk, its own."""
    rounds: int
    quick: bool
    """Smaller sizes, same comparisons."""


def interleave(arms: Mapping[str, Arm], rounds: int) -> dict[str, tuple[float, ...]]:
    """Samples of each arm, in the order of the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            taken[name].append(arm())
    return {name: tuple(samples) for name, samples in taken.items()}


def cpu_seconds(work: Callable[[], object]) -> float:
    """Of this process, all threads: what only computes takes as long on a core of its own."""
    began = process_time()
    work()
    return process_time() - began


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = perf_counter()
    work()
    return perf_counter() - began
