"""`python -m tests.bench`: measure, print one table, write bench.json.

Exit status 0 when everything was measured, whatever the figures; 3 when something was not.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import click
from rich.console import Console

from runner.errors import RunnerError
from tests.bench.machine import machine
from tests.bench.rounds import Setting
from tests.bench.row import Result, Unmeasured, UnmeasuredError
from tests.bench.table import show

NOT_MEASURED = 3
DISK = "/var/tmp"
"""Not /tmp, which may be memory; codex puts nothing executable below /tmp either."""
WIDTH = 120
"""Of the table in a log."""
MEASUREMENTS = MappingProxyType(
    {
        "help": "codex-runner --help against python -c pass",
        "posture": "the posture self-test, and codex-runner doctor",
        "start": "engine start of `true` against bare bwrap and docker run",
        "workspace": "workspace and ingest against git worktree and git add",
        "broker": "model traffic through relay and broker against a direct connection",
        "gates": "the cheap gates on a change of 500 lines",
        "policy": "five layers of policy: load, merge, plan",
        "rules": "one decision of a hundred command rules",
        "ledger": "durable signed receipts against a bare fsync",
        "trust": "the trust score of two thousand outcomes, explained and cached",
        "classes": "the class of labelled changes, and false alarms",
        "hook": "a tool call of codex with the execution gate's hook against one without",
        "gateway": "a durable decision of the execution gate over its socket",
        "secrets": "the secret detector against labelled samples",
        "labelled": "the cheap gates on labelled changes of real projects",
        "kill": "the kill switch: from the command to the proof, and one look at it",
        "verify": "a run verified from its folder, against bare Ed25519 verifications",
        "run": "a whole run against two bare executions of codex",
        "memory": "peak memory of the runner's process",
    }
)
"""Module -> what it measures. Each has `measure(setting) -> Iterator[Result]`."""


@click.command()
@click.option("--only", multiple=True, type=click.Choice(tuple(MEASUREMENTS)))
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1))
@click.option("--quick", is_flag=True, help="Smaller sizes.")
@click.option(
    "--scratch",
    default=DISK,
    show_default=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where temporary directories are made; on a disk.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=Path("bench.json"), show_default=True
)
def main(only: tuple[str, ...], rounds: int, quick: bool, scratch: Path, output: Path) -> None:
    """Ratios measured within one run, arms in turns."""
    progress = Console(stderr=True, highlight=False)
    results: list[Result] = []
    for name in only or MEASUREMENTS:
        progress.print(f"[dim]{name}: {MEASUREMENTS[name]} ...[/]")
        with _scratch(scratch, name) as directory:
            results += attempt(name, Setting(directory, rounds, quick))
    show(results, Console(width=None if sys.stdout.isatty() else WIDTH))
    output.write_text(json.dumps(_document(results, rounds, quick), indent=1) + "\n")
    sys.exit(NOT_MEASURED if any(isinstance(each, Unmeasured) for each in results) else 0)


def attempt(name: str, setting: Setting) -> Iterator[Result]:
    """The rows of one measurement; where it fails, a row that says so, and no further ones."""
    measure: Callable[[Setting], Iterator[Result]]
    measure = import_module(f"tests.bench.{name}").measure
    try:
        yield from measure(setting)
    except (UnmeasuredError, RunnerError, OSError) as error:
        yield Unmeasured(MEASUREMENTS[name], f"{type(error).__name__}: {error}")


@contextmanager
def _scratch(parent: Path, name: str) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix=f"codex-runner-bench-{name}-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _document(results: list[Result], rounds: int, quick: bool) -> dict[str, object]:
    absent = [each for each in results if isinstance(each, Unmeasured)]
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rounds": rounds,
        "quick": quick,
        "rows": [each.as_json() for each in results if not isinstance(each, Unmeasured)],
        "not_measured": {each.what: each.reason for each in absent},
    }


if __name__ == "__main__":
    main()
