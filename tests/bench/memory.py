"""Peak memory of the runner's process: an ordinary run, and runs whose commands print on and on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from runner.demo.model import Say, Shell, Step
from runner.demo.scenarios import SCENARIOS
from tests.bench import engines, peak
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Row
from tests.bench.stage import Stage, staged

AT_MOST_MB = 120
FLOOD_BYTES, QUICK_FLOOD_BYTES = 1_000_000_000, 100_000_000
REFUSED = 1


def measure(setting: Setting) -> Iterator[Row]:
    engines.package()
    size = QUICK_FLOOD_BYTES if setting.quick else FLOOD_BYTES
    flood = f"head -c {size} /dev/zero | tr '\\0' x"
    steps = SCENARIOS["fix"].steps
    loud: Sequence[Step] = (Shell(flood), *steps[-3:-2], Say("Done."))
    told = f"{size // 1_000_000} MB"
    cases: dict[str, tuple[Sequence[Step], tuple[str, ...], int]] = {
        "an ordinary run": (steps, (), 0),
        f"the agent's command prints {told}": (loud, (), 0),
        f"the test command prints {told}": (steps, ("--test", flood), REFUSED),
    }
    for number, (what, (script, more, expect)) in enumerate(cases.items()):
        home = setting.scratch / str(number)
        home.mkdir()
        with staged(home, script) as stage:
            yield _row(what, stage, more, expect, min(setting.rounds, 3))


def _row(what: str, stage: Stage, more: tuple[str, ...], expect: int, rounds: int) -> Row:
    target = stage.home / "peak"
    program = [sys.executable, peak.__file__, str(target)]

    def arm() -> float:
        stage.perform(program, "bubblewrap", *more, expect=expect)
        return int(target.read_text()) * 1024 / 1e6

    taken = interleave({"ours": arm}, rounds)["ours"]
    return Row(f"peak memory, {what}", "MB", taken, (), "itself", at_most=AT_MOST_MB)
