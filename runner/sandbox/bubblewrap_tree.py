"""One sandbox's processes: held before their first instruction, limited, released, seen dead."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import resource
import select
import signal
import time
from collections.abc import Sequence, Set
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from runner import process
from runner.errors import InfraError
from runner.records.sandbox import Walls
from runner.sandbox.bubblewrap_spec import UID
from runner.sandbox.cgroups import Group, entered
from runner.sandbox.rlimits import FIRST_TO_GO, rlimits

HOST_UID = 10001
"""The sandbox's user on this machine when the runner is root; otherwise it is the runner's own."""
START_S = 20.0
DEATH_S = 10.0
APART = 100
"""From here on the pipes are numbered: now and then bubblewrap told nothing on one, as if another
thread had closed its number before bubblewrap was started, knowing it as its own."""
PER_NAMESPACE = (5, 14)
"""Linux from which RLIMIT_NPROC counts the processes of one user namespace."""
KEPT = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
"""What `ENTER` needs inside the user namespace, and gives up."""
SETPRIV = "/usr/bin/setpriv"
ENTER = (
    *(SETPRIV, f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--bounding-set=-all", "--inh-caps=-all", "--"),
)


class Tree:
    """A context: after it no process of the sandbox is alive, or InfraError is raised.

    Root is never the sandbox's user: who owns the machine's files can write /proc/sys and change
    the mode of /dev/null without any capability. So root's runner maps another user besides, and
    the command is entered through `ENTER`.
    """

    def __init__(self, walls: Walls, group: Group, root: bool) -> None:
        self.released_at = time.monotonic()
        self.group = group
        """With what limits the sandbox besides, once it is started."""
        self._walls, self._root = walls, root
        self.told = b""
        self._init = 0
        self._handle = -1
        self._ended = False
        self._ours, self._theirs = ExitStack(), ExitStack()
        self._info, self._info_end = self._pipe()
        self._status, self._status_end = self._pipe()
        self._status_pipe = _named(self._status)
        self._gate_end, self._gate = self._pipe(theirs=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._ours, self._theirs:
            if self._handle >= 0:
                self._bury()

    @property
    def descriptors(self) -> Sequence[int]:
        """To be inherited by bubblewrap; it lets none of them reach the command."""
        return (self._info_end, self._status_end, self._gate_end)

    def arguments(self) -> list[str]:
        info, status, gate = map(str, self.descriptors)
        words = ["--info-fd", info, "--json-status-fd", status, "--block-fd", gate]
        if not self._root:
            return [*words, "--uid", str(UID), "--gid", str(UID)]
        kept = [word for name in KEPT for word in ("--cap-add", name)]
        return [*words, "--userns-block-fd", gate, "--cap-drop", "ALL", *kept]

    def command(self, argv: Sequence[str]) -> list[str]:
        return [*(ENTER if self._root else ()), *argv]

    def started(self, asked: Set[str]) -> None:
        """`asked` are the controllers of the scope it is started in, none when there is no scope.

        1. Hear of the first process, whose death is everybody's. 2. As root, map the users.
        3. Limit it. 4. Let it go. When bubblewrap gives up before, its own complaint says more.

        Raises:
            InfraError: a limit or the users could not be set.
        """
        self._theirs.close()
        self._init = self._hear()
        if not self._init:
            return
        with suppress(BrokenPipeError):
            self._handle = os.pidfd_open(self._init)
            self._ours.callback(os.close, self._handle)
            if self._root:
                self._map_users()
                os.write(self._gate, b"1")  # it sets up while the control group is entered
            for name, value in rlimits(self._walls).items():
                _lower(self._init, name, value)
            if _counts_processes():
                _lower(self._init, "nproc", self._walls.pids)
            Path(f"/proc/{self._init}/oom_score_adj").write_text(str(FIRST_TO_GO))
            self.group.add(self._init)
            if asked:
                self.group = self.group.joined(entered(self._init, self._walls, asked))
            self.released_at = time.monotonic()
            os.write(self._gate, b"2")

    def exit_code(self) -> int | None:
        """The command's, as bubblewrap saw it; None = it never ran. `told` is all that it said."""
        while chunk := os.read(self._status, 65536):
            self.told += chunk
        if not self.told:
            self.told = os.fsencode(
                f"nothing on {self._status_pipe}, by now {_named(self._status)}"
            )
        codes = [line for line in self.told.splitlines() if b'"exit-code"' in line]
        return int(json.loads(codes[-1])["exit-code"]) if codes else None

    @property
    def first(self) -> int | None:
        """Pid of the first process, on this machine."""
        return self._init or None

    def ladder(self) -> Sequence[tuple[process.Signal, float]]:
        """Interrupt, terminate, kill: dead within two seconds."""
        return (
            (lambda _: self._signal(signal.SIGINT), 1.0),
            (lambda _: self._signal(signal.SIGTERM), 0.5),
            (self._kill, DEATH_S),
        )

    def _pipe(self, theirs: int = 1) -> tuple[int, int]:
        read, write = (_apart(each) for each in os.pipe())
        ends = (read, write)
        self._theirs.callback(os.close, ends[theirs])
        self._ours.callback(os.close, ends[1 - theirs])
        return ends

    def _hear(self) -> int:
        """Pid of the first process; 0 when bubblewrap ended without making one."""
        said = b""
        while b"}" not in said:
            if not select.select([self._info], [], [], START_S)[0]:
                raise InfraError(
                    f"bubblewrap made no process in {START_S} s", "look at this machine's load"
                )
            chunk = os.read(self._info, 4096)
            if not chunk:
                return 0
            said += chunk
        return int(json.loads(said)["child-pid"])

    def _map_users(self) -> None:
        try:
            for kind in ("uid", "gid"):
                with open(f"/proc/{self._init}/{kind}_map", "w") as file:
                    file.write(f"0 0 1\n{UID} {HOST_UID} 1\n")
        except OSError as error:
            raise InfraError(
                f"root may not give a sandbox the user {HOST_UID}: {error.strerror}",
                "run as an ordinary user",
            ) from error

    def _signal(self, number: signal.Signals) -> None:
        """To the command's process group; the first process ignores all but SIGKILL. What is being
        killed is not asked as well: it might still answer."""
        if self._handle >= 0 and not self._ended and not _dead(self._handle, 0):
            process.send(self._init, number)

    def _kill(self, pid: int) -> None:
        process.kill_group(pid)
        self.end()

    def end(self) -> None:
        """SIGKILL to everything in the sandbox."""
        self._ended = True
        if self._handle >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _bury(self) -> None:
        """bubblewrap ends with the command; daemons that left it die with the namespace here."""
        self.end()
        if not _dead(self._handle, DEATH_S):
            raise InfraError(
                f"process {self._init} of a sandbox survived SIGKILL", "look for a hung disk"
            )


def _apart(descriptor: int) -> int:
    """The same under a number from `APART` on."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, APART)
    finally:
        os.close(descriptor)


def _named(descriptor: int) -> str:
    """What it is open on, such as `pipe:[4711]`."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def controllers(walls: Walls) -> frozenset[str]:
    """Control groups wanted for `walls`. Entering each takes 10 ms, so only where needed."""
    needed = {"memory": True, "pids": not _counts_processes(), "cpu": _narrows(walls)}
    return frozenset(name for name, wanted in needed.items() if wanted)


def unenforced(walls: Walls, group: Group) -> tuple[str, ...]:
    """Names of the walls that do not hold in `group`."""
    names = {"memory": "memory_mib", "pids": "pids", "cpu": "cpus"}
    missing = controllers(walls) - group.directories.keys()
    return tuple(name for controller, name in names.items() if controller in missing)


def _counts_processes() -> bool:
    numbers = platform.release().split("-")[0].split(".")[:2]
    return tuple(map(int, numbers)) >= PER_NAMESPACE


def _narrows(walls: Walls) -> bool:
    return walls.cpus < (os.cpu_count() or 1)


def _lower(pid: int, name: str, value: int) -> None:
    limit = getattr(resource, f"RLIMIT_{name.upper()}")
    hard = resource.prlimit(pid, limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.prlimit(pid, limit, (value, value))


def _dead(handle: int, wait_s: float) -> bool:
    return bool(select.select([handle], [], [], wait_s)[0])
