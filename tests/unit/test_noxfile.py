"""The bootstrap on a machine where something is missing: two lines, exit code 3."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from runner.process import clean_env, run

NOXFILE = Path(__file__).parents[2] / "noxfile.py"
NO_ENSUREPIP = """
print("The virtual environment was not created successfully because ensurepip is not available.")
raise SystemExit(1)
"""
NO_INDEX = """
import pathlib, sys
python = pathlib.Path(sys.argv[-1], "bin", "python")
python.parent.mkdir()
python.write_text("#!/bin/sh\\necho 'ERROR: No matching distribution found for nox' >&2; exit 1")
python.chmod(0o755)
"""


@pytest.mark.parametrize(
    ("venv", "problem", "remedy"),
    [
        (NO_ENSUREPIP, "ensurepip is not available", "apt-get install python3-venv"),
        ("raise PermissionError(13, 'no')", "PermissionError", "apt-get install python3-venv"),
        (NO_INDEX, "No matching distribution found for nox", "pip's index"),
        (None, "cannot write", "clone to where you may write"),
    ],
)
def test_what_is_missing_is_told(
    tmp_path: Path, venv: str | None, problem: str, remedy: str
) -> None:
    clone, modules = tmp_path / "clone", tmp_path / "modules"
    clone.mkdir()
    (modules / "venv").mkdir(parents=True)
    (modules / "venv" / "__init__.py").touch()
    (modules / "venv" / "__main__.py").write_text(venv or "")
    shutil.copy(NOXFILE, clone)
    if venv is None:
        (clone / ".bootstrap").touch()
    env = clean_env({"PYTHONPATH": str(modules)})
    done = run([sys.executable, "-S", str(clone / "noxfile.py"), "demo"], env=env)  # -S: no nox
    _, error, hint = done.stderr.decode().splitlines()
    assert done.code == 3
    assert error.startswith("error: ") and problem in error
    assert hint.startswith("try: ") and remedy in hint
