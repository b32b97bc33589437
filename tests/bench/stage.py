"""Where whole runs are performed: a sample repository, a scripted model, a state directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.demo.model import KEY, ScriptedModel, Step, verdict
from runner.demo.sample import TEST, Sample, make_sample
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
        how = ["--engine", engine, "--forge", "local", "--json"]
        return ["run", str(self.sample.task), *where, *how, *more]

    def env(self) -> dict[str, str]:
        return plain_env(
            HOME=str(self.home),
            CODEX_RUNNER_UPSTREAM=self.model.url,
            CODEX_RUNNER_KEY=f"env:{KEY_VARIABLE}",
            CODEX_RUNNER_FORGE="local",
            **{KEY_VARIABLE: KEY},
        )

    def perform(
        self, program: Sequence[str | Path], engine: str, *more: str, expect: int = 0
    ) -> tuple[float, RunReport]:
        """One run in a process of its own: seconds, and what it reported."""
        argv = [*program, *self.command(engine, *more)]
        told: list[bytes] = []
        took_s = seconds(
            lambda: told.append(finish(argv, env=self.env(), cwd=self.home, expect=expect))
        )
        return took_s, RunReport.model_validate_json(told[0])


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
