"""Stands by while a runner works, and has everything cleaned up at once when that is killed.

A shell that reads a pipe: nobody writes to it but the runner, and the kernel closes it whatever
ends the runner. It is in a session of its own; when it is killed as well, the next command that
looks at the state directory cleans up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.process import MARK, clean_env, spawn

SCRIPT = 'read -r word || exec "$@" </dev/null >/dev/null 2>&1'
PASSED = ("HOME", "DOCKER_HOST")


@contextmanager
def kept(state: Path) -> Iterator[None]:
    """While it lasts, the death of this process is followed by `codex-runner sweep`."""
    env = clean_env({name: os.environ[name] for name in PASSED if name in os.environ})
    del env[MARK]  # it does not end with this process
    sweep = (sys.executable, "-m", "runner", "sweep", "--state", str(state))
    child = spawn(["/bin/sh", "-c", SCRIPT, "codex-runner-keeper", *sweep], env=env)
    assert child.stdin and child.stdout and child.stderr
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            os.write(child.stdin.fileno(), b"done\n")
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            pipe.close()
