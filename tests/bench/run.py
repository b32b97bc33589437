"""A whole run with all gates, against the two executions of codex that it contains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median

from runner.demo.scenarios import SCENARIOS
from runner.records.report import RunReport
from runner.records.sandbox import CODEX
from tests.bench import engines
from tests.bench.bare import Bare
from tests.bench.help import RUNNER
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Result, Row, Unmeasured, UnmeasuredError
from tests.bench.stage import Stage, staged

AT_MOST_S = {"bubblewrap": 0.6, "docker": 2.0}
"""Beyond the two executions of codex."""


@dataclass(slots=True)
class Runs:
    """Runs on one engine, and what each round's report said of its phases, in seconds."""

    stage: Stage
    engine: str
    parts: dict[str, list[float]] = field(default_factory=dict)
    report: RunReport | None = None

    def arm(self) -> float:
        took_s, self.report = self.stage.perform([RUNNER], self.engine)
        for name, part_s in phases(self.report, took_s).items():
            self.parts.setdefault(name, []).append(part_s)
        return took_s

    def medians(self) -> dict[str, float]:
        return {name: median(samples) for name, samples in self.parts.items()}


def phases(report: RunReport, took_s: float) -> dict[str, float]:
    """Where the time of one run went; the first-level parts add up to all of it."""
    told = {name: ms / 1000 for name, ms in report.phases_ms.items()}
    parts = {f"phase {name}": part_s for name, part_s in told.items()}
    parts["start and end of the process"] = took_s - sum(told.values())
    if report.agent is not None:
        parts["in agent: start of the sandbox"] = report.agent.exit.start_ms / 1000
        parts["in agent: codex, from start to end"] = report.agent.exit.duration_ms / 1000
    return parts | {f"in gates: {gate.gate}": gate.duration_ms / 1000 for gate in report.gates}


def measure(setting: Setting) -> Iterator[Result]:
    usable: dict[str, Callable[[], object]] = {
        "bubblewrap": engines.bubblewrap,
        "docker": engines.docker,
    }
    with staged(setting.scratch, SCENARIOS["fix"].steps) as stage:
        runs: list[Runs] = []
        for name, find in usable.items():
            try:
                find()
                runs.append(_warm(stage, name))
            except UnmeasuredError as error:
                yield Unmeasured(f"a whole run, {name} / codex twice", str(error))
        if runs:
            yield from _rows(runs, _bare(stage, runs[-1].report), setting.rounds)


def _warm(stage: Stage, engine: str) -> Runs:
    """One run nobody measures: it makes the snapshot of the base and remembers the checks."""
    runs = Runs(stage, engine)
    runs.arm()
    runs.parts.clear()
    return runs


def _bare(stage: Stage, report: RunReport | None) -> Bare:
    """Codex on this machine, with what a run said and was told."""
    assert report is not None and report.plan is not None and report.agent is not None
    engine, package = engines.bubblewrap()
    path = engine.path.replace(CODEX, str(package.root))
    prompt = stage.review_prompts[-1]
    return Bare(stage, package, report.plan, prompt, path, report.agent.inner_sandbox)


def _rows(runs: list[Runs], bare: Bare, rounds: int) -> Iterator[Row]:
    bare.author(), bare.review()
    arms = {each.engine: each.arm for each in runs}
    taken = interleave({**arms, "author": bare.author, "review": bare.review}, rounds)
    codex = tuple(map(sum, zip(taken["author"], taken["review"], strict=True)))
    alone = {"bare author": median(taken["author"]), "bare review": median(taken["review"])}
    for each in runs:
        what = f"a whole run, {each.engine} / codex twice"
        ours, at_most = taken[each.engine], AT_MOST_S[each.engine]
        parts = each.medians() | alone
        yield Row(what, "s", ours, codex, "excess", at_most=at_most, parts=parts)
        yield Row(what, "s", ours, codex, "ratio")
