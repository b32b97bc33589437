"""Model traffic through relay and broker, against a direct connection to the same provider."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from statistics import median

from runner.sandbox import relay
from tests.bench import upstream
from tests.bench.command import plain_env
from tests.bench.lender import MODEL
from tests.bench.rounds import Arm, Setting, interleave, seconds
from tests.bench.row import Row, UnmeasuredError

ROOT = Path(__file__).parents[2]
MB = 1_000_000
STREAM_BYTES, QUICK_STREAM_BYTES = 256 * MB, 32 * MB
LONG_STREAM_BYTES = 1000 * MB
REQUESTS, TICKS = 50, 250
BUFFER_BYTES = 1 << 18
HEADERS = {"content-type": "application/json", "accept": "text/event-stream"}
AT = re.compile(rb'"at_ns": (\d+)')
LIVE = "echo ready; exec cat"
"""What the relay stands beside: until standard input ends."""


def measure(setting: Setting) -> Iterator[Row]:
    with _upstream() as direct, _lent(direct, setting.scratch / "broker.jsonl") as (lent, pid):
        doors = {"ours": Door(lent), "direct": Door(direct)}
        interleave({name: door.small_ms for name, door in doors.items()}, 1)
        yield _growth(doors["ours"], pid, setting)
        yield from _rows(doors, setting)


def _growth(door: Door, pid: int, setting: Setting) -> Row:
    """Of the broker's process, over one long stream."""
    size = QUICK_STREAM_BYTES if setting.quick else LONG_STREAM_BYTES
    door.rate("bytes", MB)()
    before = _peak_mb(pid)
    door.rate("bytes", size)()
    what = f"the broker's peak memory, after a stream of {size // MB} MB / before"
    return Row(what, "MB", (_peak_mb(pid),), (before,), "excess", at_most=8)


def _peak_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    if found is None:
        raise UnmeasuredError("/proc does not tell the peak of a process")
    return int(found[1]) * 1024 / MB


def _rows(doors: dict[str, Door], setting: Setting) -> Iterator[Row]:
    most = QUICK_STREAM_BYTES if setting.quick else STREAM_BYTES
    streams = (("paced", "at 50 MB/s", most // 4), ("bytes", "flat out", most))
    for mode, how, size in streams:
        arms = {name: door.rate(mode, size) for name, door in doors.items()}
        rate = interleave(arms, setting.rounds)
        what = f"a stream of {size // MB} MB {how} through relay and broker / direct"
        yield Row(what, "MB/s", rate["ours"], rate["direct"], "ratio", at_least=0.8)
    requests = REQUESTS * setting.rounds
    small = interleave({name: door.small_ms for name, door in doors.items()}, requests)
    what = f"a small request, p50 of {requests} / direct"
    yield Row(what, "ms", small["ours"], small["direct"], "excess", at_most=2)
    ticks = interleave({name: door.tick_ms for name, door in doors.items()}, setting.rounds)
    what = f"a streamed event, p50 of {TICKS} / direct"
    yield Row(what, "ms", ticks["ours"], ticks["direct"], "excess", at_most=0.2)


class Door:
    """One way to the provider: 127.0.0.1 at a port, seen by a client that costs little."""

    def __init__(self, port: int) -> None:
        self.port = port

    def rate(self, mode: str, size: int) -> Arm:
        """MB/s of a long stream: `paced` as no model is fast, `bytes` as a loopback socket is."""

        def arm() -> float:
            received: list[int] = []
            took_s = seconds(lambda: received.append(self._count(f"{mode}:{size}")))
            return received[0] / MB / took_s

        return arm

    def small_ms(self) -> float:
        """Connect, ask, and read a short answer."""
        return 1000 * seconds(lambda: self._count("small:0"))

    def tick_ms(self) -> float:
        """From an event's sending to its arrival; both processes read one clock."""
        delays: list[int] = []
        with self._asked(f"ticks:{TICKS}") as response:
            while line := response.readline():
                if sent := AT.search(line):
                    delays.append(time.monotonic_ns() - int(sent[1]))
        if len(delays) != TICKS:
            raise UnmeasuredError(f"{len(delays)} of {TICKS} events arrived")
        return median(delays) / 1e6

    def _count(self, wish: str) -> int:
        """Bytes of the body of an answer that was completed."""
        size, end = 0, b""
        with self._asked(wish) as response:
            while chunk := response.read1(BUFFER_BYTES):
                size += len(chunk)
                end = (end + chunk)[-400:]
        if b"response.completed" not in end:
            raise UnmeasuredError(f"the stream was cut after {size} bytes")
        return size

    @contextmanager
    def _asked(self, wish: str) -> Iterator[HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        with closing(connection):
            connection.request("POST", "/v1/responses", _body(wish), HEADERS)
            response = connection.getresponse()
            if response.status != 200:
                raise UnmeasuredError(f"status {response.status}: {response.read(300)!r}")
            yield response


def _body(wish: str) -> bytes:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}
    wanted = {"model": MODEL, "stream": True, "prompt_cache_key": wish, "input": [said]}
    return json.dumps(wanted).encode()


@contextmanager
def _upstream() -> Iterator[int]:
    with _child([sys.executable, upstream.__file__]) as line:
        yield int(line)


@contextmanager
def _lent(port: int, log: Path) -> Iterator[tuple[int, int]]:
    """The port of a relay in front of a broker in front of `port`, and the broker's pid."""
    url = f"http://127.0.0.1:{port}/v1"
    lender = [sys.executable, "-m", "tests.bench.lender", url, str(log)]
    with _child(lender) as line:
        directory, pid = line.rsplit(" ", 1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            near = free.getsockname()[1]
        target = (str(near), str(Path(directory) / "model.sock"))
        pump = [sys.executable, "-I", "-S", relay.__file__, *target, "--", "sh", "-c", LIVE]
        with _child(pump):
            yield near, int(pid)


@contextmanager
def _child(argv: list[str]) -> Iterator[str]:
    """A process that says one line when it is ready, and ends with its standard input."""
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=plain_env(), cwd=ROOT, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            if not line:
                raise UnmeasuredError(f"{argv[1:3]} did not start")
            yield line
        finally:
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
