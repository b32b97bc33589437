"""After a kill: every run that it means is seen dead, or made dead.

1. A run is its lease: while somebody holds that, it lives. It is signalled once, so that it stops
   whatever it is about; its sandbox it kills by itself, because the switch says so.
2. A runner that does not even do that hangs: it is killed, and its sandboxes with it. So is one
   that does not come to its end afterwards.
3. It is dead when its lease is free, every process it had is gone, nothing bears its mark, the
   engine has no container of it, and its directory with the broker's sockets does not exist.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import live, strays
from runner.errors import InfraError
from runner.halting import told_targets
from runner.lifetime import standing, start_ticks
from runner.live import LIVE
from runner.records.base import RunId
from runner.records.kill import Kill

UNHEARD_S = 3.0
"""After this long a sandbox that is still there has a runner that hangs."""
ENDING_S = 15.0
"""For measuring, keeping and sealing what there was."""
GONE_S = 30.0
"""For everything, the sweep after a runner that was killed included."""
POLL_S = 0.01
_RUN = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of the runs that a kill meant."""

    runs: tuple[RunId, ...] = ()
    left: tuple[str, ...] = ()
    """What is alive, or could not be looked at; empty = proved."""


@dataclass(slots=True)
class _Run:
    """One that had a lease when the kill came."""

    state: Path
    name: RunId
    owner: str
    began_at: float = field(default_factory=time.monotonic)
    processes: dict[int, str] = field(default_factory=dict)
    """Its runner and all below it: pid -> start in clock ticks."""
    containers: frozenset[str] = frozenset()
    killed: bool = False

    @property
    def home(self) -> Path:
        return self.state / LIVE / self.name

    @property
    def pid(self) -> int:
        """Of the runner; 0 = it cannot be seen from here, or is gone."""
        if standing(self.owner) != "alive":
            return 0
        return int(self.owner.rpartition("/")[2].partition(":")[0])

    def held(self) -> bool:
        return bool(live.held(self.state / LIVE, self.name))

    def meant(self, kill: Kill) -> bool | None:
        """None = nobody knows yet what it is; it will ask the switch by itself."""
        if kill.scope == "all" or (kill.scope == "run" and kill.subject == self.name):
            return True
        targets = told_targets(self.home)
        return any(target.hit_by(kill) for target in targets) if targets else None

    def signal(self) -> None:
        """Remembers what it has, and tells it, unless it has let go of its lease: a runner that is
        over would die of the signal with its last words. So that is asked last."""
        if pid := self.pid:
            self.processes = dict(_tree(pid))
            if self.held():
                with suppress(OSError):
                    os.kill(pid, signal.SIGTERM)
            with suppress(InfraError):
                self.containers = frozenset(self._containers())

    def press(self) -> None:
        """Kills the runner when its time is over."""
        waited_s = time.monotonic() - self.began_at
        if self.killed or waited_s < UNHEARD_S or not (pid := self.pid):
            return
        if waited_s > ENDING_S or self._sandboxed():
            self.killed = True
            with suppress(OSError):
                strays.end(pid, lambda _: self.pid == pid)

    def left(self) -> list[str]:
        """What of it is alive, in words."""
        works = strays.works_for({self.owner})
        found = [f"process {pid}" for pid, ticks in self.processes.items() if _lives(pid, ticks)]
        found += [f"process {pid}" for pid in strays.pids() if works(pid)]
        found += ["its runner, which cannot be seen from here"] if self.held() else []
        found += [f"directory {self.home}"] if os.path.lexists(self.home) else []
        try:
            found += self._containers()
        except InfraError as error:
            if self._engine() == "docker":
                found.append(f"containers that cannot be looked at: {error.problem}")
        return sorted({f"run {self.name}: {each}" for each in found})

    def _sandboxed(self) -> bool:
        """Whether a sandbox that it had is still there: a process of another pid namespace, or a
        container."""
        if any(_lives(pid, ticks) and _walled(pid) for pid, ticks in self.processes.items()):
            return True
        with suppress(InfraError):
            return bool(self.containers) and not self.containers.isdisjoint(self._containers())
        return False

    def _engine(self) -> object:
        """Of its plan, read without the records: they are slow to import. None = nobody knows."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            plan = self.state / "runs" / self.name / "plan.json"
            return json.loads(plan.read_bytes())["engine"]
        return None

    def _containers(self) -> list[str]:
        if self._engine() == "bubblewrap":
            return []
        from runner.sandbox.docker_leftovers import of_run

        return of_run(self.name)


def prove(state: Path, kill: Kill, begun: Set[str] = frozenset()) -> Proof:
    """Returns when every run that `kill` means is dead, or has survived for too long.

    `begun` are leases that were there before the kill: whose report says that it was halted by
    this kill has ended by itself meanwhile.
    """
    waiting = list(_running(state))
    followed: list[_Run] = []
    until = time.monotonic() + GONE_S
    while waiting or any(each.held() for each in followed):
        for each in (*waiting,):
            meant = each.meant(kill)
            if meant is not None or not each.held():
                waiting.remove(each)
            if meant:
                each.signal()
                followed.append(each)
        for each in followed:
            each.press()
        if time.monotonic() > until:
            break
        time.sleep(POLL_S)
    proof = _looked(state, followed, [each.name for each in waiting], until)
    ended = {RunId(name) for name in begun if _was_halted(state, name, kill)}
    return replace(proof, runs=tuple(sorted({*proof.runs, *ended})))


def _was_halted(state: Path, name: str, kill: Kill) -> bool:
    """Its report says so; read without the records, which are slow to import."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads((state / "runs" / name / "report.json").read_bytes())
        return told["conclusion"] == "halted" and f"(kill {kill.id} " in told["problem"]["problem"]
    return False


def _looked(state: Path, followed: list[_Run], unknown: list[RunId], until: float) -> Proof:
    left = [f"run {name}: it does not say what it is" for name in unknown]
    if False in live.found(state / LIVE):
        from runner import sweep  # slow to import, and a runner that ends by itself cleans up

        sweep.tidy(state)
    for run in followed:
        while (found := run.left()) and time.monotonic() < until:
            time.sleep(POLL_S)
        left += found
    return Proof(tuple(run.name for run in followed), tuple(left))


def _running(state: Path) -> Iterator[_Run]:
    """Those whose lease somebody holds; other leases are no run's."""
    parent = state / LIVE
    for lock in sorted(parent.glob(f"*{live.SUFFIX}")):
        name = RunId(lock.name.removesuffix(live.SUFFIX))
        if _RUN.fullmatch(name) and live.held(parent, name):
            with suppress(OSError):
                yield _Run(state, name, lock.read_text(errors="replace").strip())


def _tree(pid: int) -> Iterator[tuple[int, str]]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for each in strays.pids():
        parents.setdefault(_parent(each), []).append(each)
    ahead = [pid]
    while ahead:
        each = ahead.pop()
        ahead += parents.get(each, ())
        if (ticks := start_ticks(each)) is not None:
            yield each, ticks


def _lives(pid: int, ticks: str) -> bool:
    return start_ticks(pid) == ticks


def _parent(pid: int) -> int:
    return int(_status(pid).get("PPid", ["0"])[0])


def _walled(pid: int) -> bool:
    return len(_status(pid).get("NSpid", [])) > len(_status(os.getpid()).get("NSpid", []))


def _status(pid: int) -> dict[str, list[str]]:
    try:
        rows = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.split() for name, _, value in (row.partition(":\t") for row in rows)}
