"""The example package of gates, built as a wheel and installed into a directory of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import copytree

from runner.process import clean_env, run

HERE = Path(__file__).parent / "example_gate"
NAME = "example.licence"


def install(home: Path) -> Path:
    """`home/site`, ready for PYTHONPATH; no network."""
    source, wheels, site = home / "source", home / "wheels", home / "site"
    copytree(HERE, source)
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--no-input")
    offline = ("--no-index", "--no-deps")
    _finish(*pip, "wheel", *offline, "--no-build-isolation", "-w", wheels, source)
    [wheel] = wheels.glob("example_gates-1.0-*.whl")
    _finish(*pip, "install", *offline, "--target", site, wheel)
    return site


def _finish(*argv: str | Path) -> None:
    done = run(argv, env=clean_env({"PIP_CONFIG_FILE": "/dev/null"}), timeout_s=120)
    assert done.code == 0, done
