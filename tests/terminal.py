"""A command at a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def typed(
    argv: Sequence[str], answers: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> tuple[int, str]:
    """`answers` are typed; its exit code, and everything that stood on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=cwd
    ) as child:
        os.close(theirs)
        os.write(ours, answers.encode())
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    return child.returncode, said.decode(errors="replace").replace("\r\n", "\n")
