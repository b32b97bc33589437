"""One analyser over some files, in a sandbox of its own.

1. The files come through stdin: none is written on the host, none of their names is a host's path.
2. The program is the sandbox's own or one installed beside the runner, shown read-only; the PATH
   holds nothing a change could have made.
3. What it prints is kept in memory, up to `OUTPUT_BYTES`.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import WORK, Bind, Overlay, SandboxSpec, Scratch, StopReason, Walls
from runner.records.static import FILES, Analysed, Analysis
from runner.sandbox.command import HOME

OUTPUT_BYTES = 16 * 1024 * 1024
TOOLS = "/opt/static"
UNPACK = """\
import os, sys, tarfile
place, start, command, *names = sys.argv[1:]
os.makedirs(place, exist_ok=True)
with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
    for member in archive:
        path = os.path.join(place, member.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.islink(path):
            os.remove(path)
        with open(path, "wb") as file:
            file.write(archive.extractfile(member).read())
os.chdir(start)
os.execv("/bin/sh", ["/bin/sh", "-c", command, "analyser", *names])
"""


@dataclass(slots=True)
class _Heard:
    """A Watch that keeps stdout."""

    halted: Callable[[], StopReason | None]
    said: bytearray = field(default_factory=bytearray)

    def stdout(self, chunk: bytes) -> None:
        self.said += chunk[: OUTPUT_BYTES + 1 - len(self.said)]

    def stderr(self, chunk: bytes) -> None: ...

    def stop(self) -> StopReason | None:
        return self.halted() or ("output" if len(self.said) > OUTPUT_BYTES else None)


def run_analysis(
    engine: Engine,
    overlay: Overlay | None,
    analysis: Analysis,
    *,
    run: RunId,
    walls: Walls,
    halted: Callable[[], StopReason | None],
) -> Analysed:
    """`overlay` is a checkout of the base, unless the files lie alone.

    Raises InfraError: the sandbox could not be made.
    """
    tool = _beside_the_runner(analysis.tool)
    start = FILES if analysis.place == "alone" else WORK
    place = WORK if analysis.place == "over" else FILES
    spec = SandboxSpec(
        run=run,
        role="tests",
        argv=(
            *(engine.python, "-I", "-S", "-c", UNPACK),
            *(place, start, analysis.command, *analysis.files),
        ),
        env={"PATH": f"{TOOLS}:{engine.path}", "HOME": HOME, "LANG": "C.UTF-8", "FILES": FILES},
        walls=walls,
        workspace=overlay,
        binds=(Bind(tool, f"{TOOLS}/{tool.name}"),) if tool is not None else (),
        scratch=(Scratch("/tmp", 1024), Scratch(HOME, 256)),
    )
    heard = _Heard(halted)
    ended = engine.run(spec, _packed(analysis.files), heard)
    too_much = len(heard.said) > OUTPUT_BYTES and ended.stopped is None
    if too_much:
        ended = ended.model_copy(update={"stopped": "output"})
    return Analysed(ended, bytes(heard.said))


def _beside_the_runner(tool: str | None) -> Path | None:
    """A program that a distribution of the same name brought into the runner's environment."""
    try:
        files = distribution(tool).files if tool is not None else None
    except PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files or () if file.name == tool)
    return next((path.resolve() for path in found if path.parent.name == "bin"), None)


def _packed(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()
