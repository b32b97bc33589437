"""Other programs, started plainly: the bench's own cost must not hide in `runner.process`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.row import UnmeasuredError

LIMIT_S = 900


def finish(
    argv: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    expect: int = 0,
) -> bytes:
    """Standard output of a program that must end with `expect`.

    Raises:
        UnmeasuredError: it is not installed, or ended in another way.
    """
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            env=plain_env() if env is None else dict(env),
            cwd=cwd,
            capture_output=True,
            timeout=LIMIT_S,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise UnmeasuredError(str(error)) from error
    if done.returncode != expect:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-400:]
        raise UnmeasuredError(f"{Path(argv[0]).name} ended with {done.returncode}: {said}")
    return done.stdout


def plain_env(**extra: str) -> dict[str, str]:
    """Nothing of the person who runs the bench but the PATH."""
    base = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    return base | extra
