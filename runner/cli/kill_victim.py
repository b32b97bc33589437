"""The run that `codex-runner kill --drill` kills: real but for its model. A process of its own, as
every run is: `python -m runner.cli.kill_victim HOME ENGINE URL`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.keeper import PASSED
from runner.process import Child, clean_env, kill_group, spawn

KEY_VARIABLE = "DRILL_MODEL_KEY"


@contextmanager
def started(home: Path, engine: str, url: str) -> Iterator[Child]:
    """It, as a child; dead afterwards."""
    argv = [sys.executable, "-m", "runner.cli.kill_victim", str(home), engine, url]
    child = spawn(argv, env=host_env())
    try:
        yield child
    finally:
        if child.poll() is None:
            kill_group(child.pid)
            child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            assert pipe is not None
            pipe.close()


def host_env() -> dict[str, str]:
    """Of both commands: no settings of a person, but where the docker engine is."""
    return clean_env({name: os.environ[name] for name in PASSED if name in os.environ})


def main(home: Path, engine: str, url: str) -> int:
    """`url` is the scripted model's. The run's exit code."""
    from runner import wiring
    from runner.demo.model import KEY
    from runner.demo.sample import make_sample
    from runner.policy.task_file import read_task

    sample = make_sample(home / f"sample-{os.getpid()}")
    asked = wiring.Asked(
        task=read_task(sample.task),
        repository=sample.repository,
        settings={
            "engine": engine,
            "state": str(home / "state"),
            "upstream": url,
            "key": f"env:{KEY_VARIABLE}",
            "forge": "local",
        },
        environ={KEY_VARIABLE: KEY},
        user_file=home / "no-settings.toml",
        scripted=True,
    )
    return wiring.perform(asked, quiet=True)[0].exit_code


if __name__ == "__main__":
    os._exit(main(Path(sys.argv[1]), *sys.argv[2:4]))  # as the command line does
