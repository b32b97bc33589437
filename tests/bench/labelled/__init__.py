"""The cheap gates on labelled changes: real ones of open source, and the same with a defect.

Good are portions of what lies between consecutive releases of well-known packages, fetched through
pip and never stored here; bad are good ones with one planted defect. `BENCH_CACHE` names the
directory where the distributions are kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from runner.gates.scanner import Scanner
from runner.policy.task_file import prompt_task
from runner.records.plan import Plan
from runner.wiring import Asked, dry_run
from tests.bench.labelled import (
    history,
    plant_dependencies,
    plant_paths,
    plant_secrets,
    plant_size,
    plant_steering,
    plant_tamper,
)
from tests.bench.labelled.diff import Diff, GateName, Tree
from tests.bench.labelled.plant import Plant, bad
from tests.bench.labelled.score import by_id, rows
from tests.bench.labelled.sdists import fetch, unpack
from tests.bench.labelled.store import Store
from tests.bench.labelled.verdicts import Bench
from tests.bench.rounds import Setting
from tests.bench.row import Result, Unmeasured, UnmeasuredError

TEST = "python -m pytest"
AT_LEAST, GOOD_AT_LEAST = 200, 100
PLANTS: Mapping[GateName, Mapping[str, Plant]] = {
    "paths": plant_paths.KINDS,
    "size": plant_size.KINDS,
    "secrets": plant_secrets.KINDS,
    "tamper": {**plant_tamper.KINDS, **plant_steering.KINDS},
    "dependencies": plant_dependencies.KINDS,
}


def measure(setting: Setting) -> Iterator[Result]:
    kept, missing = fetch(cache(), setting.scratch)
    for (name, version), why in missing.items():
        yield Unmeasured(f"labelled: {name} {version}", why)
    if not kept:
        raise UnmeasuredError("none of the releases is to be had")
    trees = {f"{name}-{version}": unpack(path) for (name, version), path in kept.items()}
    store = Store(setting.scratch / "releases")
    store.releases(trees)
    plan = _plan(store, setting.scratch / "state")
    diffs = [*_diffs(trees, store, plan)]
    made = {each.id for each in diffs}
    for id in (f"{gate}:{kind}" for gate, kinds in PLANTS.items() for kind in kinds):
        if id not in made:
            yield Unmeasured(f"labelled: {id}", "no good change serves")
    real = sum(not each.carrier for each in diffs)
    if len(diffs) < AT_LEAST or real < GOOD_AT_LEAST:
        raise UnmeasuredError(f"{len(diffs)} changes, {real} of them real, are too few")
    commits = store.changes(diffs)
    with Scanner(setting.scratch / "scanner") as scanner:
        bench = Bench(store, plan, scanner.scan, setting.scratch / "judge")
        verdicts = {each.id: bench.verdict(each, commits[each.id]) for each in diffs}
    yield from rows(by_id(diffs, verdicts))


def cache() -> Path:
    """Of this user, or what BENCH_CACHE names."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("BENCH_CACHE") or Path(home) / "codex-runner-bench")


def _plan(store: Store, state: Path) -> Plan:
    """As a run of this machine would have it, settings of its user left out."""
    task = prompt_task("Judge a change").model_copy(update={"test": TEST, "target": "main"})
    release = store.first()
    return dry_run(
        Asked(task, store.path, base=release, publish=False, settings={"state": str(state)},
              environ={}, user_file=state / "none.toml")
    )  # fmt: skip


def _diffs(trees: Mapping[str, Tree], store: Store, plan: Plan) -> Iterator[Diff]:
    good: list[Diff] = []
    for old, new in history.pairs(trees):
        counts = store.counts(old, new)
        good += history.good(old, new, trees, counts)
        yield history.whole(old, new, trees, counts, plan.limits)
    yield from good
    for gate, kinds in PLANTS.items():
        yield from bad(gate, kinds, good, trees)
