"""The kill switch: from the command to the proof that nothing of a real run is alive, and what a
look at it costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time, sleep

from runner.killswitch import SETTLED_NS, Switch, repository_names
from runner.records.kill import Target
from tests.bench.command import finish
from tests.bench.rounds import Setting
from tests.bench.row import Result, Row, Unmeasured, UnmeasuredError

AT_MOST_MS, LOOK_US = 1000.0, 20.0
LOOKS, KILLS = 5000, 20
DRILL = (sys.executable, "-m", "runner", "kill", "--drill", "--json", "--engine")


def measure(setting: Setting) -> Iterator[Result]:
    yield _looks(setting.scratch)
    for engine in ("bubblewrap", "docker"):
        what = f"{engine}: kill command to the proof that a run is dead"
        try:
            drills = [_drill(engine) for _ in range(min(setting.rounds, 3))]
        except UnmeasuredError as error:
            yield Unmeasured(what, str(error))
            continue
        proved, denied = (tuple(each[key] for each in drills) for key in ("proved_ms", "denied_ms"))
        yield Row(what, "ms", proved, (), "itself", at_most=AT_MOST_MS)
        denial = f"{engine}: kill command to the next decision's DENY"
        yield Row(denial, "ms", denied, (), "itself", at_most=AT_MOST_MS)


def _drill(engine: str) -> dict[str, float]:
    told: dict[str, float] = json.loads(finish((*DRILL, engine)))
    return told


def _looks(home: Path) -> Row:
    """CPU time; asked ten times a second by every sandbox, and before every decision."""
    switch = Switch(home, home / "stop")
    for number in range(KILLS):
        switch.pull("run", f"r{number}", "bench", "user:bench")
    sleep(2 * SETTLED_NS / 1e9)  # until its directory is known to be quiet
    target = Target(run="mine", agent="ag_0123456789abcdef", repos=repository_names("/srv/r"))
    switch.hits(target)
    began = process_time()
    for _ in range(LOOKS):
        switch.hits(target)
    taken_us = (process_time() - began) / LOOKS * 1e6
    what = f"one look at the kill switch, {KILLS} kills in force (CPU time)"
    return Row(what, "us", (taken_us,), (), "itself", at_most=LOOK_US)
