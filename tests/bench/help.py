"""`codex-runner --help` against the bare start of its interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.command import finish
from tests.bench.rounds import Setting, interleave, seconds
from tests.bench.row import Row

RUNNER = Path(sys.executable).with_name("codex-runner")
AT_MOST_S = 0.15


def measure(setting: Setting) -> Iterator[Row]:
    arms = {
        "ours": lambda: seconds(lambda: finish([RUNNER, "--help"])),
        "python": lambda: seconds(lambda: finish([sys.executable, "-c", "pass"])),
    }
    interleave(arms, 1)
    taken = interleave(arms, 3 * setting.rounds)
    yield Row(
        "codex-runner --help / python -c pass",
        "s",
        taken["ours"],
        taken["python"],
        "itself",
        at_most=AT_MOST_S,
    )
