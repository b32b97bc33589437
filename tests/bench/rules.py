"""One decision of the command rules, with a hundred of them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import median

from runner.policy.rules import Rulebook
from runner.records.rules import CommandRule
from tests.bench.rounds import Setting
from tests.bench.row import Row

RULES = 100
DECISIONS = 2000
"""Per round; of each the median and the 99th percentile."""
P50_US = 20
P99_US = 100
COMMANDS = (
    *(["git", "status"], ["git", "push", "origin"], ["tool-7", "run", "x"], ["ls", "-la"]),
    *(["python", "-m", "pytest", "-q"], ["/usr/bin/git", "fetch"], ["sudo", "tool-50", "run"]),
)
SCRIPT = "cd package && python -m pytest -q tests/test_one.py 2>&1 | tail -20"


def measure(setting: Setting) -> Iterator[Row]:
    programs = [
        CommandRule(pattern=((f"tool-{n}",), ("run",)), decision="prompt") for n in range(80)
    ]
    words = [CommandRule(pattern=(("git",), (f"word-{n}",)), decision="prompt") for n in range(19)]
    push = CommandRule(pattern=(("git",), ("push", "fetch")), decision="forbidden")
    book = Rulebook((*programs, *words, push))
    assert len(programs) + len(words) + 1 == RULES
    rounds = [_times_us(book) for _ in range(setting.rounds)]
    script_us = {"a script of two commands": median(_times_us(book, [SCRIPT]))}
    for part, at_most in ((0.5, P50_US), (0.99, P99_US)):
        yield Row(
            f"a command against {RULES} rules, p{part * 100:g}", "us",
            tuple(times[int(part * len(times))] for times in rounds), (), "itself",
            at_most=at_most, parts=script_us if part == 0.5 else {},
        )  # fmt: skip


def _times_us(book: Rulebook, commands: Sequence[str | list[str]] = COMMANDS) -> list[float]:
    times = []
    for number in range(DECISIONS):
        command = commands[number % len(commands)]
        began = time.perf_counter_ns()
        book.decide(command)
        times.append((time.perf_counter_ns() - began) / 1000)
    return sorted(times)
