"""The machine in general terms: enough to judge a figure, nothing to find it by."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from runner.errors import InfraError
from runner.process import run


def machine() -> dict[str, str | int | float]:
    """E.g. `{"cores": 2, "memory_mib": 16000, "kernel": "6.18", ...}`."""
    kilobytes = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "memory_mib": int(kilobytes[1]) // 1024 if kilobytes else 0,
        "architecture": platform.machine(),
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "docker": _version("docker", "version", "--format", "{{.Server.Version}}"),
        "git": _version("git", "--version"),
        "user": "root" if os.geteuid() == 0 else "ordinary",
    }


def _version(*command: str) -> str:
    try:
        done = run(command, timeout_s=20)
    except InfraError:
        return "none"
    found = re.search(r"\d+(\.\d+)+", done.text())
    return found[0] if done.code == 0 and found else "none"
