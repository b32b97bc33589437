"""The only door to child processes: nothing inherited, every wait bounded, every buffer capped."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import InfraError
from runner.lifetime import this_process
from runner.rlimit import limit

CHUNK_BYTES = 65536
POLL_S = 0.05
DRAIN_S = 0.5
"""How long pipes are read after the process is gone: a stranger may still hold them open."""
LOAD = "look at the load of this machine"

Signal = Callable[[int], None]
"""Sends one rung of the ladder to the child with this pid."""


MARK = "RUNNER_OWNER"
"""In the environment of every host tool, and of all it starts: the runner it works for. Who
cleans up after a killed runner finds them by it."""


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a host tool: an allow-list, never os.environ minus something."""
    base = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return {**base, "TMPDIR": tempfile.gettempdir(), MARK: this_process(), **(extra or {})}


class OverdueError(InfraError):
    """A host tool that took longer than it may."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command. `code` is negative N for signal N, as in `subprocess`."""

    code: int
    stdout: bytes
    stderr: bytes

    def text(self) -> str:
        """stdout as UTF-8, foreign bytes replaced, outer white space removed."""
        return self.stdout.decode(errors="replace").strip()

    def error(self) -> str:
        """The last line of stderr, for messages."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.code}"


def run(
    argv: Sequence[str | bytes | Path],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | str = "/",
    timeout_s: float = 120,
    max_bytes: int = 256 * 1024 * 1024,
    limits: Mapping[int, int] | None = None,
) -> Completed:
    """Run a host tool to its end. `limits` are `resource.RLIMIT_*` and their values.

    Raises:
        OverdueError: it took longer than `timeout_s`.
        InfraError: it is not installed, or printed over `max_bytes`.
    """
    out: list[bytes] = []
    err: list[bytes] = []
    deadline = time.monotonic() + timeout_s
    size = 0

    def collect(chunk: bytes) -> None:
        nonlocal size
        size += len(chunk)
        out.append(chunk)

    def overdue() -> bool:
        return time.monotonic() > deadline or size > max_bytes

    child = stream(
        argv,
        stdin=stdin,
        env=clean_env() if env is None else env,
        cwd=cwd,
        on_stdout=collect,
        on_stderr=err.append,
        stop=overdue,
        ladder=((kill_group, 5.0),),
        on_start=lambda pid: limit(pid, limits or {}),
    )
    if child.stopped and size > max_bytes:
        raise InfraError(f"{_name(argv)} printed more than {max_bytes} bytes and was killed", LOAD)
    if child.stopped:
        raise OverdueError(f"{_name(argv)} took {timeout_s:g} s and was killed", LOAD)
    return Completed(child.code, b"".join(out), b"".join(err))


@dataclass(slots=True)
class Streamed:
    """How a streamed child ended."""

    code: int
    stopped: bool
    duration_s: float


@dataclass(slots=True)
class _Pump:
    """Moves bytes between one child's pipes and callbacks without ever blocking on one of them."""

    stdin: bytes
    process: subprocess.Popen[bytes]
    sinks: dict[int, Callable[[bytes], None]]
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def open(self) -> None:
        for number in self.sinks:
            os.set_blocking(number, False)
            self.selector.register(number, selectors.EVENT_READ)
        assert self.process.stdin is not None
        if self.stdin:
            os.set_blocking(self.process.stdin.fileno(), False)
            self.selector.register(self.process.stdin.fileno(), selectors.EVENT_WRITE)
        else:
            self.process.stdin.close()

    def turn(self, timeout_s: float) -> bool:
        """One round of I/O; False when nothing is registered any more."""
        if not self.selector.get_map():
            return False
        for key, _ in self.selector.select(timeout_s):
            if key.events == selectors.EVENT_WRITE:
                self._feed()
            else:
                self._drain(key.fd)
        return True

    def _feed(self) -> None:
        pipe = self.process.stdin
        assert pipe is not None
        try:
            written = os.write(pipe.fileno(), self.stdin[:CHUNK_BYTES])
            self.stdin = self.stdin[written:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.stdin = b""
        if not self.stdin:
            self.selector.unregister(pipe.fileno())
            pipe.close()

    def _drain(self, number: int) -> None:
        try:
            chunk = os.read(number, CHUNK_BYTES)
        except BlockingIOError:
            return
        if chunk:
            self.sinks[number](chunk)
        else:
            self.selector.unregister(number)

    def close(self) -> None:
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def stream(
    argv: Sequence[str | bytes | Path],
    *,
    stdin: bytes,
    env: Mapping[str, str],
    cwd: Path | str,
    on_stdout: Callable[[bytes], None],
    on_stderr: Callable[[bytes], None],
    stop: Callable[[], bool],
    ladder: Sequence[tuple[Signal, float]],
    pass_fds: Sequence[int] = (),
    on_start: Callable[[int], None] = lambda _: None,
) -> Streamed:
    """Run a child, hand its output on as it comes, and end it when `stop()` says so.

    `stop` is asked about every 50 ms. `ladder` is climbed then: each rung sends its signal and
    waits its seconds; the last rung must kill. Returns when the process is dead, whether or not
    somebody still holds its pipes. `on_start` hears the pid before anything else happens; when it
    raises, the child is killed.

    Raises:
        InfraError: the program could not be started.
    """
    began = time.monotonic()
    process = _start(argv, env, cwd, pass_fds)
    assert process.stdout is not None and process.stderr is not None
    sinks = {process.stdout.fileno(): on_stdout, process.stderr.fileno(): on_stderr}
    pump = _Pump(stdin, process, sinks)
    stopped = False
    try:
        on_start(process.pid)
        pump.open()
        while process.poll() is None:
            if not stopped and stop():
                stopped = True
                _climb(process, pump, ladder)
            elif not pump.turn(POLL_S):
                _wait(process, POLL_S)
        _drain_leftovers(pump)
    finally:
        if process.poll() is None:
            kill_group(process.pid)
            process.wait()
        pump.close()
    return Streamed(process.returncode, stopped, time.monotonic() - began)


Child = subprocess.Popen[bytes]
"""A long-lived child with pipes; who spawned it bounds every wait and ends it."""


def spawn(argv: Sequence[str | bytes | Path], *, env: Mapping[str, str]) -> Child:
    """Start a child that its owner talks to. Raises InfraError: it could not be started."""
    return _start(argv, env, "/", ())


def kill_group(pid: int) -> None:
    """SIGKILL to the whole process group of `pid`."""
    send(pid, signal.SIGKILL)


def send(pid: int, number: signal.Signals) -> None:
    """`number` to the process group of `pid`; one that is gone already is fine."""
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _start(
    argv: Sequence[str | bytes | Path],
    env: Mapping[str, str],
    cwd: Path | str,
    pass_fds: Sequence[int],
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
    except OSError as error:
        raise InfraError(
            f"cannot start {_name(argv)}: {error.strerror}", f"install {_name(argv)}"
        ) from error


def _climb(
    process: subprocess.Popen[bytes], pump: _Pump, ladder: Sequence[tuple[Signal, float]]
) -> None:
    for rung, grace_s in ladder:
        rung(process.pid)
        until = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < until:
            if not pump.turn(POLL_S):
                _wait(process, POLL_S)
        if process.poll() is not None:
            return


def _drain_leftovers(pump: _Pump) -> None:
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until and pump.selector.get_map():
        if not pump.selector.select(0):
            return
        pump.turn(0)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout_s)


def _name(argv: Sequence[str | bytes | Path]) -> str:
    first = argv[0]
    return os.path.basename(first.decode() if isinstance(first, bytes) else str(first))
