"""Control groups of runners that were killed, wherever in the hierarchies they were made."""

from __future__ import annotations

import os
import time
from collections.abc import Set
from pathlib import Path

from runner.sandbox.cgroups import PREFIX

MAX_DEPTH = 12
REMOVE_S = 2.0


def of(runs: Set[str], owners: Set[str]) -> list[Path]:
    """Groups made by `owners` (`lifetime.this_process()`) or for `runs`; the deepest first."""
    pids = {owner.rpartition("/")[2].partition(":")[0] for owner in owners}
    found: list[Path] = []
    for root in _hierarchies() if owners else ():
        for place, names, _ in os.walk(root):
            for name in names:
                run, _, rest = name.removeprefix(PREFIX).partition(".")
                if name.startswith(PREFIX) and (run in runs or rest.partition(".")[0] in pids):
                    found.append(Path(place, name))
            if place.count("/") > MAX_DEPTH:
                names.clear()
    return sorted(found, key=lambda path: -len(path.parts))


def remove(directory: Path) -> None:
    """Dead processes leave their group a moment after they are reaped.

    Raises:
        OSError: processes in it are alive.
    """
    deadline = time.monotonic() + REMOVE_S
    while True:
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _hierarchies() -> list[str]:
    rows = (row.split(" ") for row in Path("/proc/self/mountinfo").read_text().splitlines())
    return [row[4] for row in rows if row[-3] in {"cgroup", "cgroup2"}]
