"""One run of the tests: their command in a sandbox, and what they left in files there.

The files come out on stdout, after the command has ended and behind a mark of chance: that works
with every engine, wherever it keeps a sandbox's files, and is bounded as all output is. The tree's
own code can write anything into them, as it can into its output; see `gates.tests` for what they
are good for.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from runner.case import FILE_BYTES, OUTPUT_BYTES, TestRun, Trial
from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import Overlay, StopReason, Walls
from runner.sandbox.command import Extras, Tail, run_command

NAME_BYTES = 1024
"""More than a mark and a file's name take."""
SLACK_BYTES = 1024 * 1024
"""Cut off at once, so that not every chunk moves all that is kept."""

_SCRIPT = """"$@"
code=$?
for file in {files}; do
    [ -f "$file" ] && printf '\\n{mark} %s\\n' "$file" && head -c {most} "$file"
done 2>/dev/null
exit $code"""


class Spoken(Tail):
    """A Tail that also keeps the end of both streams, and takes the files out of the first."""

    def __init__(
        self, log: Path, halted: Callable[[], StopReason | None], mark: bytes, files: int
    ) -> None:
        super().__init__(log, halted)
        self._most = files * (FILE_BYTES + NAME_BYTES)
        self._mark = b"\n" + mark + b" "
        self._held = b""
        self._behind: bytearray | None = None
        self.out = bytearray()
        self.err = bytearray()

    def stdout(self, chunk: bytes) -> None:
        """What may be the beginning of the mark waits for what follows it."""
        if self._behind is not None:
            self._behind += chunk[: max(self._most - len(self._behind), 0)]
            return
        before, mark, behind = (self._held + chunk).partition(self._mark)
        if mark:
            self._held, self._behind = b"", bytearray(behind)
        else:
            cut = max(len(before) - len(self._mark) + 1, 0)
            before, self._held = before[:cut], before[cut:]
        self._say(before)

    def stderr(self, chunk: bytes) -> None:
        _keep(self.err, chunk)
        super().stdout(chunk)

    def close(self) -> None:
        self._say(self._held)
        self._held = b""
        super().close()

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and content; what is there twice counts as it was told last."""
        for part in bytes(self._behind or b"").split(self._mark):
            name, newline, content = part.partition(b"\n")
            if newline:
                yield name.decode(errors="replace"), content

    def _say(self, chunk: bytes) -> None:
        _keep(self.out, chunk)
        super().stdout(chunk)


def _keep(end: bytearray, chunk: bytes) -> None:
    end += chunk
    if len(end) > OUTPUT_BYTES + SLACK_BYTES:
        del end[:-OUTPUT_BYTES]


def _end(kept: bytearray) -> bytes:
    del kept[:-OUTPUT_BYTES]
    return bytes(kept)


def run_trial(
    engine: Engine,
    overlay: Overlay,
    trial: Trial,
    *,
    run: RunId,
    walls: Walls,
    folder: Path,
    halted: Callable[[], StopReason | None],
) -> TestRun:
    """As `run_command`; the log is `folder`/`trial.name`.log, without the files."""
    mark = secrets.token_hex(16)
    log = folder / f"{trial.name}.log"
    heard = Spoken(log, halted, mark.encode(), len(trial.files))
    files = " ".join(map(shlex.quote, trial.files))
    script = _SCRIPT.format(files=files, mark=mark, most=FILE_BYTES)
    launcher = ("/bin/sh", "-c", script, "sh") if trial.files else ()
    ended = run_command(
        engine,
        overlay,
        trial.command,
        run=run,
        walls=walls,
        log=log,
        halted=halted,
        extras=Extras(env=trial.env, launcher=launcher),
        tail=heard,
    )
    found = {name: data for name, data in heard.files() if name in trial.files}
    return replace(
        ended, stdout=_end(heard.out), stderr=_end(heard.err), files=MappingProxyType(found)
    )
