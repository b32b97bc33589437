"""A small repository with a real bug: the median of an even number of values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.errors import InfraError
from runner.process import clean_env, run

AUTHOR_MODEL = "gpt-5.5"
REVIEWER_MODEL = "gpt-5.6-sol"
TEST = "python3 -m unittest -q"

FILES = {
    ".gitignore": "__pycache__/\n",
    "README.md": "# tally\n\nSmall statistics. Tests: `python3 -m unittest`.\n",
    "tally/__init__.py": '"""Small statistics."""\n',
    "tally/stats.py": '''"""Middle and mean of a list of numbers."""


def mean(values):
    return sum(values) / len(values)


def median(values):
    ordered = sorted(values)
    return ordered[len(ordered) // 2]
''',
    "tally/report.py": '''"""One line for a person."""

from tally.stats import mean, median


def line(values):
    return f"n={len(values)} mean={mean(values):.1f} median={median(values):.1f}"
''',
    "tests/__init__.py": "",
    "tests/test_stats.py": """import unittest

from tally.stats import mean, median


class Stats(unittest.TestCase):
    def test_mean(self):
        self.assertEqual(mean([1, 2, 3, 6]), 3)

    def test_median_of_an_odd_number_of_values(self):
        self.assertEqual(median([5, 1, 3]), 3)

    def test_median_of_an_even_number_of_values(self):
        self.assertEqual(median([4, 1, 3, 2]), 2.5)
""",
    "tests/test_report.py": """import unittest

from tally.report import line


class Report(unittest.TestCase):
    def test_line(self):
        self.assertEqual(line([1, 2, 3, 10]), "n=4 mean=4.0 median=2.5")
""",
}

TASK = f'''+++
title = "median() is wrong for an even number of values"
paths = ["tally/**", "tests/**"]
test = "{TEST}"
model = "{AUTHOR_MODEL}"
reviewer_model = "{REVIEWER_MODEL}"
labels = ["bug"]

[limits]
lines = 200
requests = 20
wall_s = 120
+++
`median([4, 1, 3, 2])` returns 3, but the median of an even number of values is the mean of the two
middle ones: 2.5. Correct `tally/stats.py`. The tests already describe what is right; they fail now.
'''

_IDENTITY = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": "demo@example.invalid",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": "demo@example.invalid",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """Where `make_sample` put things."""

    repository: Path
    remote: Path
    """Bare; `origin` of the repository, holds its `main`."""
    task: Path


def make_sample(directory: Path) -> Sample:
    """A fresh sample in `directory`, always with the same commit id.

    Raises:
        InfraError: git failed.
        FileExistsError: there is a sample already.
    """
    sample = Sample(directory / "tally", directory / "remote.git", directory / "task.md")
    for name, text in FILES.items():
        file = sample.repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x") as new:
            new.write(text)
    sample.task.write_text(TASK)
    _git(directory, "init", "-q", "--bare", "--initial-branch=main", str(sample.remote))
    here = sample.repository
    _git(here, "init", "-q", "--initial-branch=main")
    _git(here, "add", "--all")
    _git(here, "commit", "-q", "-m", "A small statistics package")
    _git(here, "remote", "add", "origin", str(sample.remote))
    _git(here, "push", "-q", "-u", "origin", "main")
    return sample


def _git(cwd: Path, *words: str) -> None:
    done = run(["git", *words], cwd=cwd, env=clean_env(_IDENTITY))
    if done.code != 0:
        raise InfraError(f"git {words[0]} failed: {done.error()}", f"look at {cwd}")
