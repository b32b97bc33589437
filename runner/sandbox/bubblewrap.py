"""The embedded engine: the codex package's own bubblewrap; no daemon, no image, no root."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from runner import process
from runner.errors import ConfigError, InfraError
from runner.ports import Watch
from runner.records.sandbox import CODEX, Check, EngineName, Exit, SandboxSpec
from runner.sandbox import bubblewrap_spec, cgroups, mounts, scope
from runner.sandbox.bubblewrap_spec import MIB, System
from runner.sandbox.bubblewrap_stop import Stop
from runner.sandbox.bubblewrap_tree import HOST_UID, Tree, controllers, unenforced
from runner.sandbox.codex_package import INSTALL, CodexPackage
from runner.sandbox.disk import bounded
from runner.sandbox.heard import STDERR, STDOUT, Heard
from runner.sandbox.seccomp import bpf_program

NOT_FOUND, NOT_EXECUTABLE, KILLED = 127, 126, 137
"""What shells and `setpriv` say of a command they cannot start, and of one that got SIGKILL."""


class BubblewrapEngine:
    """Sandboxes of user namespaces over this machine's /usr, or over `rootfs`'s."""

    name: EngineName = "bubblewrap"
    attributes: Literal["user.overlay.", "trusted.overlay."] = "user.overlay."

    def __init__(
        self, codex: CodexPackage | None, rootfs: Path | None = None, scratch: Path | None = None
    ) -> None:
        """`scratch` is where checks try an overlay: on the disk that will hold workspaces."""
        self.codex = codex
        self.rootfs = rootfs
        self.scratch = scratch
        self.root = os.geteuid() == 0
        self.uid = HOST_UID if self.root else os.geteuid()
        self.gid = HOST_UID if self.root else os.getegid()
        python = _python(rootfs or Path("/"))
        home = None if python or rootfs else Path(sys.base_prefix)
        self.python = python or f"{sys.base_prefix}/bin/python3"
        places = (f"{CODEX}/codex-path", *([f"{home}/bin"] if home else []))
        self.path = ":".join((*places, "/usr/local/bin", "/usr/bin", "/bin"))
        shown = codex.root if codex else None
        self._system = System((rootfs or Path("/")).resolve(), home, shown)

    @property
    def fingerprint(self) -> str:
        return f"{self._system} {self.codex.version if self.codex else None}"

    @property
    def bubblewrap(self) -> Path:
        """Raises InfraError: there is no codex package to take it from."""
        if self.codex is None:
            raise InfraError("bubblewrap is not installed: it comes with codex", INSTALL)
        return self.codex.bubblewrap

    def shows(self, path: str) -> bool:
        """Whether sandboxes see `path`, a file of the system."""
        return (self._system.root / path.lstrip("/")).exists()

    def checks(self) -> tuple[Check, ...]:
        from runner.sandbox.bubblewrap_checks import examine

        return examine(self)

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        mounts.verify(spec)
        began = time.monotonic()
        heard = Heard(watch, spec.walls.output_mib * MIB)
        wanted = controllers(spec.walls)
        with (
            cgroups.group(spec.run, spec.walls, wanted) as group,
            Tree(spec.walls, group, self.root) as tree,
            self._prepared(spec, tree) as (argv, descriptors),
            bounded(watch, spec, lambda: tree.first) as watching,
        ):
            around = scope.around(spec.walls, wanted - group.directories.keys())
            stop = Stop(spec, watching, heard, tree)
            ended = process.stream(
                [*around.argv, *argv],
                stdin=stdin,
                env=around.env,
                cwd=self.bubblewrap.parent,
                on_stdout=lambda chunk: heard.take(STDOUT, chunk),
                on_stderr=lambda chunk: heard.take(STDERR, chunk),
                stop=stop,
                ladder=tree.ladder(),
                pass_fds=descriptors,
                on_start=lambda _: tree.started(around.controllers),
            )
            out_of_memory = stop.out_of_memory or tree.group.out_of_memory()
            return Exit(
                code=None if stop.reason else _code(tree, heard, out_of_memory, ended.code),
                stopped=stop.reason,
                out_of_memory=out_of_memory,
                duration_ms=_ms(tree.released_at, time.monotonic()),
                start_ms=_ms(began, tree.released_at),
                stdout_bytes=heard.stdout_bytes,
                stderr_bytes=heard.stderr_bytes,
                stderr_tail=heard.tail(),
                unenforced=unenforced(spec.walls, tree.group),
            )

    @contextmanager
    def _prepared(
        self, spec: SandboxSpec, tree: Tree
    ) -> Iterator[tuple[Sequence[str], Sequence[int]]]:
        """argv and what it inherits. Options go through a descriptor, and the program is named
        relatively: the sandbox reads the command line of its first process."""
        with ExitStack() as stack:
            etc = bubblewrap_spec.etc().items()
            files = {name: _memory_file(stack, text.encode()) for name, text in etc}
            program = _memory_file(stack, bpf_program(spec.nested))
            words = [
                *bubblewrap_spec.arguments(spec, self._system, files),
                *("--seccomp", str(program)),
                *tree.arguments(),
            ]
            command = tree.command(spec.argv)
            if any("\0" in word for word in (*words, *command)):
                raise ConfigError("a NUL byte in a command or its environment", "remove it")
            options = _memory_file(stack, b"".join(os.fsencode(word) + b"\0" for word in words))
            argv = ["./bwrap", "--args", str(options), "--", *command]
            yield argv, (*tree.descriptors, *files.values(), program, options)


def _python(root: Path) -> str | None:
    """The system's own python3, when all of it is below the /usr that sandboxes see."""
    found = shutil.which("python3", path=f"{root / 'usr/local/bin'}:{root / 'usr/bin'}")
    if found is None or not Path(found).resolve().is_relative_to((root / "usr").resolve()):
        return None
    return f"/{Path(found).relative_to(root)}"


def _memory_file(stack: ExitStack, content: bytes) -> int:
    descriptor = os.memfd_create("codex-runner")
    stack.callback(os.close, descriptor)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _code(tree: Tree, heard: Heard, out_of_memory: bool, own: int) -> int:
    """Without a status the sandbox was killed as a whole, or the command never ran: then stderr is
    bubblewrap's own, and so is the status `own`; below 0 it is the signal that killed it.

    Raises:
        InfraError: the sandbox could not be made.
    """
    if (told := tree.exit_code()) is not None:
        return told
    if out_of_memory:
        return KILLED
    complaint = (heard.tail().strip().splitlines() or [""])[-1]
    if complaint.startswith("bwrap: execvp"):
        return NOT_FOUND if complaint.endswith("No such file or directory") else NOT_EXECUTABLE
    if not complaint.startswith("bwrap: "):  # the command's last words, if it had any
        when = "before" if tree.first is None else "after"
        said = tree.told.decode(errors="replace")[:100]
        complaint = f"it ended with status {own} {when} its first process was made, and told {said}"
    raise InfraError(f"bubblewrap made no sandbox: {complaint}", "run `codex-runner doctor`")


def _ms(since: float, until: float) -> int:
    return round((until - since) * 1000)
