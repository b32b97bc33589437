"""Where whole runs are performed: a sample repository, a scripted model, a state directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.demo.model import KEY, ScriptedModel, Step, verdict
from runner.demo.sample import TEST, Sample, make_sample
from runner.ledger.folder import PLAN, REPORT
from runner.records.plan import Plan
from runner.records.report import RunReport
from tests.bench.command import finish, plain_env
from tests.bench.rounds import seconds

KEY_VARIABLE = "BENCH_MODEL_KEY"


@dataclass(slots=True)
class Stage:
    """The sample, with `true` for its test command."""

    home: Path
    sample: Sample
    model: ScriptedModel
    review_prompts: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.home / "state"

    def command(self, engine: str, *more: str) -> list[str]:
        """Arguments of `codex-runner`."""
        where = ["-C", str(self.sample.repository), "--state", str(self.state)]
        return ["run", str(self.sample.task), *where, "--engine", engine, "--json", *more]

    def env(self) -> dict[str, str]:
        return plain_env(
            HOME=str(self.home),
            CODEX_RUNNER_UPSTREAM=self.model.url,
            CODEX_RUNNER_KEY=f"env:{KEY_VARIABLE}",
            CODEX_RUNNER_FORGE="local",
            **{KEY_VARIABLE: KEY},
        )

    def perform(self, program: Sequence[str | Path], engine: str, *more: str, expect: int = 0) -> float:
        """Seconds of one run in a process of its own."""
        argv = [*program, *self.command(engine, *more)]
        return seconds(lambda: finish(argv, env=self.env(), cwd=self.home, expect=expect))

    def last_report(self) -> RunReport:
        return RunReport.model_validate_json((self._last_run() / REPORT).read_bytes())

    def last_plan(self) -> Plan:
        return Plan.model_validate_json((self._last_run() / PLAN).read_bytes())

    def _last_run(self) -> Path:
        return max((self.state / "runs").iterdir())


@contextmanager
def staged(home: Path, steps: Sequence[Step]) -> Iterator[Stage]:
    """A stage whose author follows `steps` at once, and whose reviewer approves."""
    sample = make_sample(home)
    sample.task.write_text(sample.task.read_text().replace(TEST, "true"))
    prompts: list[str] = []

    def review(prompt: str) -> str:
        prompts.append(prompt)
        return verdict(prompt)

    with ScriptedModel(steps, review=review) as model:
        yield Stage(home, sample, model, prompts)
