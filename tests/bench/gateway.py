"""The execution gate over its UNIX socket: real ledger, a hundred rules, one and eight clients.

`python -m tests.bench.gateway STATE SOCKET` is the server: until its standard input ends.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from runner.gateway.application import Door
from runner.gateway.asking import Judge
from runner.gateway.callers import Caller, always
from runner.gateway.gate import Gate
from runner.gateway.pace import Pace
from runner.gateway.server import serving
from runner.gating import judge_of
from runner.ledger.ledger import open_ledger
from runner.records.approval import ApprovalRules
from runner.records.base import Sha256
from runner.records.evidence import AgentId
from runner.records.level import Standing
from runner.records.rules import CommandRule
from runner.trusting import BOOK, HOME, read_book
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Row, UnmeasuredError

ROOT = Path(__file__).parents[2]
AGENT = AgentId("ag_0123456789abcdef")
RULES, CLIENTS = 100, 8
WARM_UP = 200
DECISIONS, QUICK_DECISIONS = 1600, 320
"""Per round and number of clients."""
ENDLESS = 10**9


@dataclass(frozen=True, slots=True)
class Ruled:
    """What the judge looks at."""

    rules: tuple[CommandRule, ...]
    protected: tuple[str, ...] = (".github/**", "**/AGENTS.md")
    standing: Standing = field(default_factory=Standing)
    approvals: ApprovalRules = field(default_factory=ApprovalRules)


@dataclass(frozen=True, slots=True)
class Load:
    """What one lot of requests took."""

    times_ms: list[float]
    """Of each, sorted."""
    wall_ms: float
    cpu_ms: float
    """Of the server's process."""

    def part(self, part: float) -> float:
        return self.times_ms[min(len(self.times_ms) - 1, int(part * len(self.times_ms)))]

    @property
    def each_ms(self) -> float:
        return self.wall_ms / len(self.times_ms)

    @property
    def each_cpu_ms(self) -> float:
        return self.cpu_ms / len(self.times_ms)


def measure(setting: Setting) -> Iterator[Row]:
    number = QUICK_DECISIONS if setting.quick else DECISIONS
    place = setting.scratch / "gate.sock"
    loads: dict[str, list[Load]] = {"bare": [], "one": [], "many": []}
    with _server(setting.scratch, place) as pid:
        _load(pid, place, _decide, 1, WARM_UP)
        for _ in range(setting.rounds):
            loads["bare"].append(_load(pid, place, _health, 1, number // 4))
            loads["one"].append(_load(pid, place, _decide, 1, number // 4))
            loads["many"].append(_load(pid, place, _decide, CLIENTS, number))
    yield from _rows(loads["bare"], loads["one"], loads["many"])
    yield from _starts(setting.scratch / "state", setting.rounds)


def _starts(state: Path, rounds: int) -> Iterator[Row]:
    """What those who come later pay for what was decided."""
    book = state / "ledger" / HOME / f"{BOOK}.json"
    with open_ledger(state) as ledger:

        def cpu_ms(work: Callable[[], object]) -> float:
            """For a thousand entries."""
            book.unlink(missing_ok=True)
            began = time.process_time()
            work()
            return 1e6 * (time.process_time() - began) / ledger.size

        arms = {
            "run": lambda: cpu_ms(lambda: read_book(state, ledger)),
            "gateway": lambda: cpu_ms(lambda: Gate(ledger, _judge(), Sha256("5" * 64))),
        }
        taken = interleave(arms, rounds)
    what = "1000 decisions before the start: what becomes of agents is read of them (CPU)"
    yield Row(what, "ms", taken["run"], (), "itself")
    what = "the same: a gateway remembers their answers (CPU)"
    yield Row(what, "ms", taken["gateway"], (), "itself")


def _rows(bare: Sequence[Load], one: Sequence[Load], many: Sequence[Load]) -> Iterator[Row]:
    p50, p99 = _of(one, lambda load: load.part(0.5)), _of(many, lambda load: load.part(0.99))
    what = f"a durable decision by {RULES} rules, one client, p50"
    yield Row(what, "ms", p50, (), "itself", at_most=1, parts={"p99": _p99(one)})
    asked = _of(bare, lambda load: load.part(0.5))
    yield Row(f"{what} / a bare answer of the server", "ms", p50, asked, "ratio")
    rate = _of(many, lambda load: 1000 / load.each_ms)
    what = f"{CLIENTS} clients"
    yield Row(f"{what}: durable decisions", "/s", rate, (), "itself", at_least=1000)
    yield Row(f"{what}: p99", "ms", p99, (), "itself", at_most=15)
    cpu = _of(many, lambda load: load.each_cpu_ms)
    alone = {"one client": median(_of(one, lambda load: load.each_cpu_ms))}
    what = f"{what}: CPU time of the server for a decision"
    yield Row(what, "ms", cpu, (), "itself", at_most=0.5, parts=alone)


def _p99(loads: Sequence[Load]) -> float:
    return median(load.part(0.99) for load in loads)


def _of(loads: Sequence[Load], figure: Callable[[Load], float]) -> tuple[float, ...]:
    return tuple(map(figure, loads))


def _load(
    pid: int, place: Path, ask: Callable[[socket.socket, str], None], clients: int, number: int
) -> Load:
    """`number` requests, by so many clients at once, each on a connection that stays."""
    times: list[float] = []
    failed: list[str] = []
    ready = threading.Barrier(clients + 1)
    lot = f"{time.monotonic_ns()}"

    def client(name: int) -> None:
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as link:
            link.connect(str(place))
            ready.wait()
            try:
                for count in range(number // clients):
                    began = time.perf_counter_ns()
                    ask(link, f"{lot}-{name}-{count}")
                    times.append((time.perf_counter_ns() - began) / 1e6)
            except (OSError, UnmeasuredError) as error:
                failed.append(str(error))

    threads = [threading.Thread(target=client, args=(name,)) for name in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    cpu, wall = _cpu_ms(pid), time.perf_counter_ns()
    for thread in threads:
        thread.join()
    if failed:
        raise UnmeasuredError(failed[0])
    took = (time.perf_counter_ns() - wall) / 1e6
    return Load(sorted(times), took, _cpu_ms(pid) - cpu)


def _cpu_ms(pid: int) -> float:
    """Of all threads (`/proc/PID/task/TID/schedstat`: nanoseconds on a processor)."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6


def _decide(link: socket.socket, key: str) -> None:
    body = json.dumps(
        {
            "agent_id": AGENT,
            "opportunity_id": "change-17",
            "proposed_plan": "run the tests",
            "tools": ["Bash"],
            "code": "python -m pytest -q tests/unit",
            "idempotency_key": key,
        }
    ).encode()
    head = f"POST /api/execute HTTP/1.1\r\nhost: gate\r\ncontent-length: {len(body)}\r\n\r\n"
    if b'"decision":"ALLOW"' not in _answer(link, head.encode() + body):
        raise UnmeasuredError("it was not allowed")


def _health(link: socket.socket, _key: str) -> None:
    _answer(link, b"GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n")


def _answer(link: socket.socket, asked: bytes) -> bytes:
    link.sendall(asked)
    answer = b""
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r")[0]):
            return body
        chunk = link.recv(65536)
        if not chunk:
            raise UnmeasuredError("the gate hung up")
        answer += chunk


@contextmanager
def _server(scratch: Path, place: Path) -> Iterator[int]:
    """Its process id."""
    argv = [sys.executable, "-m", __name__, str(scratch / "state"), str(place)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            if not process.stdout.readline():
                raise UnmeasuredError("the gateway did not start")
            yield process.pid
        finally:
            process.stdin.close()
            process.wait(30)


def _judge() -> Judge:
    rules = [
        CommandRule(pattern=((f"tool-{n}",), ("run",)), decision="prompt") for n in range(RULES)
    ]
    return judge_of(Ruled(tuple(rules)), lambda: None)


def _serve(state: Path, place: Path) -> None:
    endless = Pace(per_s=ENDLESS, burst=ENDLESS)
    with open_ledger(state) as ledger:
        gate = Gate(ledger, _judge(), Sha256("5" * 64), decisions=endless)
        with serving(Door(gate, always(Caller(AGENT))).application, place):
            print(os.getpid(), flush=True)  # noqa: T201
            sys.stdin.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), Path(sys.argv[2]))
