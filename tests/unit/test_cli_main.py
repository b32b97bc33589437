"""Every wrong command line ends in two lines and exit code 2."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.process import Completed, run

PACKAGE = Path(__file__).parents[2]


def cli(*words: str) -> Completed:
    return run([sys.executable, "-m", "runner", *words], cwd=PACKAGE)


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (("run", "--enginee", "x"), "No such option", "codex-runner run --help"),
        (("run", "--engine", "x", "y"), "'--engine'", "codex-runner run --help"),
        (("run",), "give one of: TASK", "codex-runner run --help"),
        (("run", "t.md", "--prompt", "x"), "give one of: TASK", "codex-runner run --help"),
        (("images", "build", "--tag", "x"), "NAME:VERSION", "codex-runner images build --help"),
        (("rum",), "No such command", "codex-runner --help"),
    ],
)
def test_usage_errors_are_two_lines(words: tuple[str, ...], problem: str, remedy: str) -> None:
    done = cli(*words)
    error, hint = done.stderr.decode().splitlines()
    assert (done.code, done.stdout) == (2, b"")
    assert error.startswith("error: ") and problem in error
    assert hint == f"try: {remedy}"


def test_engine_and_forge_are_described() -> None:
    words = " ".join(cli("run", "--help").text().split())
    assert "docker when it and its image are there, else bubblewrap" in words
    assert "Where the request is opened" in words
