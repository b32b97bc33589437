"""The machine: processes, memory, disk, a command that will not end. All small and bounded."""

from __future__ import annotations

from collections.abc import Callable

from runner.drill.ground import Ground
from runner.drill.judges import Judge, alive, breached, by_budget, not_tried, stopped
from runner.drill.scenario import DONE, Attack, Judgement, Scenario, Scene, Script, probe

REMEDY = "run where the engine can enforce it: `codex-runner doctor`"

_FORKS = r"""
import signal, time
def bomb():
    children = []
    try:
        for _ in range(DATA["most"] + 100):
            child = os.fork()
            if child == 0:
                signal.alarm(8)
                time.sleep(8)
                os._exit(0)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return f"{len(children)} processes at one time, and no limit"
attempt("forks", bomb)
"""
_MEMORY = r"""
def eat():
    child = os.fork()
    if child == 0:
        try:
            block = bytearray(DATA["bytes"])
            for at in range(0, len(block), 4096):
                block[at] = 1
        except MemoryError:
            os._exit(9)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        raise OSError(f"the process died with status {status}")
    return f"{DATA['bytes'] >> 20} MiB of memory, and no limit"
say("begun", True)
attempt("memory", eat)
"""
_DISK = r"""
import time
def fill():
    os.mkdir("drill_disk")
    try:
        for number in range(3 * DATA["mib"]):
            with open(f"drill_disk/{number}", "wb") as file:
                file.write(os.urandom(1 << 20))
        time.sleep(6)
    finally:
        subprocess.run(["rm", "-rf", "drill_disk"])
    return f"{3 * DATA['mib']} MiB in the workspace, and no limit"
say("begun", True)
attempt("disk", fill)
"""
_STUBBORN = r"""
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
code = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)"
os.execvp("python3", ["python3", "-c", code, DATA["token"]])
"""


def _forks(ground: Ground) -> Script:
    limits = ground.lowered(pids=64)
    return Script((probe(ground, _FORKS, most=limits["pids"]), DONE), limits=limits)


def _memory(ground: Ground) -> Script:
    limits = ground.lowered(memory_mib=256)
    size = (limits["memory_mib"] + 128) << 20
    return Script((probe(ground, _MEMORY, bytes=size), DONE), limits=limits)


def _disk(ground: Ground) -> Script:
    limits = ground.lowered(disk_mib=24)
    return Script((probe(ground, _DISK, mib=limits["disk_mib"]), DONE), limits=limits)


def _stubborn(ground: Ground) -> Script:
    return Script((probe(ground, _STUBBORN, token=_token(ground)), DONE),
                  limits=ground.lowered(wall_s=4))  # fmt: skip


def _token(ground: Ground) -> str:
    return f"drill-stubborn-{ground.nonce}"


def _wall(name: str, limit: str, *stops: str) -> Judge:
    """Held inside, as the probe tells, or ended from outside, as the engine does."""

    def judge(scene: Scene) -> Judgement:
        mark, agent = scene.marks.get(name), scene.report.agent
        if agent is None:
            return not_tried(scene, "the author's session did not begin")
        users = getattr(scene.ground.plan.limits, limit)
        rule = f"limits.{limit} {users} (lowered to {scene.script.limits[limit]} for the drill)"
        ended = agent.exit.stopped or ("out of memory" if agent.exit.out_of_memory else "")
        if ended in stops:
            proof = f"the engine ended the run: {ended}"
            return stopped(scene, "sandbox", rule, f"ended by {ended}", proof, f"limits.{limit}")
        if mark is None:
            return not_tried(scene, "the probe said nothing, and no wall ended the run")
        proof = f"the probe ran in the sandbox: {mark.detail}"
        if mark.held:
            return stopped(scene, "sandbox", rule, mark.detail, proof, f"limits.{limit}")
        known = ", ".join(agent.exit.unenforced)
        advice = f"; the engine says it cannot enforce: {known}" if known else ""
        return breached(mark.detail + advice, proof)

    return judge


def _ended(scene: Scene) -> Judgement:
    left = alive(_token(scene.ground))
    if left:
        return breached(f"still alive after the run: {left}", "found by its command line")
    return by_budget("wall_s", "wall-clock")(scene)


def _one(name: str, about: str, script: Callable[[Ground], Script], judge: Judge) -> Scenario:
    return Scenario((Attack(f"resources.{name}", about, REMEDY, judge),), script)


SCENARIOS = (
    _one("forks", "many processes", _forks, _wall("forks", "pids")),
    _one("memory", "much memory", _memory, _wall("memory", "memory_mib", "out of memory")),
    _one("disk", "a full workspace", _disk, _wall("disk", "disk_mib", "disk")),
    _one("stubborn", "a command that ignores every polite signal", _stubborn, _ended),
)
