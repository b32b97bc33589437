"""`codex exec` as a person would call it: no runner, no broker, no sandbox but its own."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w

from runner.agent.codex import EXEC
from runner.agent.config import Settings, config
from runner.agent.prompt import author_prompt
from runner.demo.model import KEY
from runner.gates import verdict
from runner.records.plan import Plan
from runner.sandbox.codex_package import CodexPackage
from tests.bench.command import finish, plain_env
from tests.bench.rounds import seconds
from tests.bench.row import UnmeasuredError
from tests.bench.stage import Stage

OURS_ONLY = {"--ignore-user-config"}
"""The bare codex has its settings in CODEX_HOME, not in /etc."""


@dataclass(slots=True)
class Bare:
    """The same binary, settings, prompts and answers as the runs of `stage`."""

    stage: Stage
    package: CodexPackage
    plan: Plan
    review_prompt: str
    path: str
    """Where codex and its commands find programs: as in a sandbox."""
    inner: bool
    """Codex's own sandbox is used, as in the runs."""

    def author(self) -> float:
        """Seconds of the session that changes a fresh copy of the repository."""
        work = Path(tempfile.mkdtemp(dir=self.stage.home)) / "tally"
        shutil.copytree(self.stage.sample.repository, work)
        took_s = self._session("agent", self.plan.model, author_prompt(self.plan), work, None)
        if "middle" not in (work / "tally" / "stats.py").read_text():
            raise UnmeasuredError("bare codex did not apply the scripted patch")
        shutil.rmtree(work.parent)
        return took_s

    def review(self) -> float:
        """Seconds of the reviewer's session, in an empty directory."""
        work = Path(tempfile.mkdtemp(dir=self.stage.home))
        model = self.plan.reviewer_model
        took_s = self._session("review", model, self.review_prompt, work, verdict.SCHEMA)
        work.rmdir()
        return took_s

    def _session(
        self,
        role: Literal["agent", "review"],
        model: str,
        prompt: str,
        work: Path,
        schema: Mapping[str, object] | None,
    ) -> float:
        home = Path(tempfile.mkdtemp(prefix="codex-home-", dir=self.stage.home))
        (home / "config.toml").write_text(self._settings(role, model))
        argv = [str(self.package.binary), *(word for word in EXEC[1:] if word not in OURS_ONLY)]
        if schema is not None:
            (home / "schema.json").write_text(json.dumps(schema))
            argv += ["--output-schema", str(home / "schema.json")]
        env = plain_env(PATH=self.path, HOME=str(home), CODEX_HOME=str(home))
        took_s = seconds(lambda: finish([*argv, "-"], stdin=prompt.encode(), env=env, cwd=work))
        shutil.rmtree(home)
        return took_s

    def _settings(self, role: Literal["agent", "review"], model: str) -> str:
        """The product's own, but for the provider: straight to the scripted model."""
        ours = Settings(model, role, self.inner, self.path)
        settings: dict[str, Any] = tomllib.loads(config(ours))
        direct = {"base_url": self.stage.model.url, "experimental_bearer_token": KEY}
        settings["model_providers"]["runner"].update(direct)
        return tomli_w.dumps(settings)
