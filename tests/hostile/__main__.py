"""Drives a corpus of attacks through the product and prints a table: class x engine.

`python -m tests.hostile [--corpus DIR] [--engine bubblewrap|docker|both] [--only ID|CLASS]
[--json FILE]`; exit 1 when anything was breached or did not run.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from runner.errors import RunnerError
from runner.records.sandbox import EngineName
from tests.hostile import brokers, controls, hosts, patches, repos, shells, tasks
from tests.hostile.corpus import NoCorpusError, Row, find_corpus
from tests.hostile.scene import Scene, Stage
from tests.hostile.table import Line, print_table, save
from tests.hostile.verdict import Judgement, not_run

DRIVERS = {
    "shell": shells.drive,
    "broker": brokers.drive,
    "task": tasks.drive,
    "repo": repos.drive,
    "patch": patches.drive,
    "host": hosts.drive,
}
Way = Callable[[Scene, Row], Judgement]
FAILURES = (
    AssertionError,
    OSError,
    RunnerError,
    ValueError,
    KeyError,
    AttributeError,
    TypeError,
    IndexError,
)


def main() -> int:
    asked = arguments()
    try:
        corpus = find_corpus(asked.corpus, os.environ)
    except NoCorpusError as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    rows = corpus.rows(asked.only)
    if not rows:
        sys.stderr.write(f"no row is called {asked.only} in {corpus.root}\n")
        return 1
    engines = get_args(EngineName) if asked.engine == "both" else (asked.engine,)
    settings = {"CODEX_RUNNER_INNER_SANDBOX": asked.inner_sandbox}
    with TemporaryDirectory(prefix="hostile-warm-") as warm:
        os.environ["XDG_CACHE_HOME"] = f"{warm}/cache"  # of all rows, and none of the person's
        stage = Stage(corpus, Path(warm), settings)
        lines = [told(stage, row, engine, drive) for engine in engines for row in rows]
        loud = [row for row in rows if row.id in controls.LOUD]
        lines += [told(stage, row, "bubblewrap", control) for row in loud]
    print_table(lines)
    if asked.json:
        save(lines, asked.json)
    return int(any(line.judgement.verdict in {"breached", "not run"} for line in lines))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile")
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--engine", choices=[*get_args(EngineName), "both"], default="both")
    parser.add_argument("--only")
    parser.add_argument("--inner-sandbox", choices=["auto", "off"], default="auto")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def told(stage: Stage, row: Row, engine: EngineName, way: Way) -> Line:
    began = time.monotonic()
    try:
        with stage.scene(engine) as scene:
            judgement = way(scene, row)
    except FAILURES as failure:
        judgement = not_run(f"{type(failure).__name__}: {str(failure)[:400]}")
    column = "no walls" if way is control else engine
    line = Line(row, column, judgement, time.monotonic() - began)
    sys.stdout.write(f"{line.text()}\n")
    sys.stdout.flush()
    return line


def drive(scene: Scene, row: Row) -> Judgement:
    if row.kind not in DRIVERS:
        return not_run(f"nobody drives {row.kind} payloads")
    return DRIVERS[row.kind](scene, row)


def control(scene: Scene, row: Row) -> Judgement:
    return controls.drive(scene, row)


if __name__ == "__main__":
    sys.exit(main())
