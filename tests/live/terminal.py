"""The real CLI at a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
from dataclasses import dataclass

from tests.live.world import CLI, World


@dataclass(frozen=True, slots=True)
class Said:
    """Exit code, and everything that stood on the terminal."""

    code: int
    text: str


def at_terminal(world: World, *words: str, answers: str = "") -> Said:
    """Any verb, in the repository; `answers` are typed."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*CLI, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=world.env(),
        cwd=world.sample.repository,
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
    return Said(child.returncode, said.decode(errors="replace").replace("\r\n", "\n"))
