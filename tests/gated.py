"""A change made in a real sandbox, and the case its gates get: no model, no command line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from py_compile import PycInvalidationMode

from runner import judging
from runner.case import Case, TestRun, Trial
from runner.gates import tamper
from runner.gates.baseline import FORGETFUL, Baselines
from runner.gates.tests import TestsGate
from runner.ports import Engine
from runner.process import clean_env, run
from runner.records.gate import GateReport
from runner.records.rigour import Rigour
from runner.records.sandbox import Overlay, Walls
from runner.sandbox.command import run_command
from runner.sandbox.trial import run_trial
from runner.told import Told
from runner.workspace.source import open_source
from tests.fake_world import RUN, Scene, make_plan

PYTEST = "PYTHONPATH=/work/.deps python3 -m pytest -q -p no:cacheprovider"
_PARTS = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py")


def pytest_layer(place: Path, uid: int) -> Path:
    """What a setup would have installed: pytest, seen at /work/.deps."""
    for name in _PARTS:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None
        source = Path(spec.origin)
        if source.name == "__init__.py":
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source.parent, place / ".deps" / name, ignore=ignored)
        else:
            (place / ".deps").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place / ".deps" / source.name)
    mode = PycInvalidationMode.UNCHECKED_HASH
    compile_dir(place, quiet=1, invalidation_mode=mode)
    if os.geteuid() == 0:
        for each in (place, *place.rglob("*")):
            os.chown(each, uid, uid, follow_symlinks=False)
    return place


@dataclass
class Gated:
    """`with gated.case(old, new) as case:` - trees as path -> content, None = removed."""

    engine: Engine
    place: Path
    layers: tuple[Path, ...] = ()
    command: str = PYTEST
    rigour: Rigour = field(default_factory=Rigour)
    may_change_tests: tuple[str, ...] = ()
    baselines: Baselines = FORGETFUL
    runs: list[str] = field(default_factory=list)
    """Names of the trials, in order."""

    @contextmanager
    def case(self, old: Mapping[str, str], new: Mapping[str, str | None]) -> Iterator[Case]:
        self.place.mkdir(parents=True, exist_ok=True)
        repository = _repository(self.place / "repository", old)
        source = open_source(repository, None, self.place / "state")
        made = make_plan()
        task = made.task.model_copy(update={"may_change_tests": self.may_change_tests})
        asked = {"test": self.command, "rigour": self.rigour, "task": task}
        cases: list[Case] = []

        def keep(case: Case, _: object) -> tuple[GateReport, ...]:
            cases.append(case)
            return ()

        def test(overlay: Overlay, trial: Trial) -> TestRun:
            self.runs.append(trial.name)
            walls = Walls(wall_s=60)
            place = self.place
            return run_trial(
                self.engine, overlay, trial, run=RUN, walls=walls, folder=place, halted=_never
            )

        try:
            with source.workspace(self.engine, "agent", over=self.layers) as overlay:
                self._change(overlay, new)
                patch = source.ingest(overlay, "change")
            scene = Scene()
            world = replace(
                scene.world(),
                plan=made.model_copy(update=asked),
                source=source,
                engine=self.engine,
                test=test,
                judge=keep,
            )
            judging.judge(world, Told(RUN, scene.folder, scene.progress), patch, {}, self.layers)
            yield cases[0]
        finally:
            source.close()

    def judged(
        self, old: Mapping[str, str], new: Mapping[str, str | None]
    ) -> tuple[GateReport, GateReport]:
        """What `tamper` and `tests` say."""
        with self.case(old, new) as case:
            return tamper.check(case), TestsGate(self.baselines).check(case)

    def tests(self, old: Mapping[str, str], new: Mapping[str, str | None]) -> GateReport:
        return self.judged(old, new)[1]

    def _change(self, overlay: Overlay, new: Mapping[str, str | None]) -> None:
        script = f"import os\nfor path, text in {dict(new)!r}.items():\n" + (
            "    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)\n"
            "    os.remove(path) if text is None else open(path, 'w').write(text)\n"
            "    text and text.startswith('#!') and os.chmod(path, 0o755)\n"
        )
        command = f"{self.engine.python} -I - <<'DONE'\n{script}\nDONE"
        done = run_command(
            self.engine,
            overlay,
            command,
            run=RUN,
            walls=Walls(wall_s=60),
            log=self.place / "change.log",
            halted=_never,
        )
        assert done.exit.code == 0, done.tail


def _never() -> None:
    return None


def _repository(path: Path, files: Mapping[str, str]) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
        if text.startswith("#!"):
            (path / name).chmod(0o755)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    env = clean_env({"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"})
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", "base")):
        done = run(["git", "-C", path, *words], env=env)
        assert done.code == 0, done
    return path
