"""What the execution gate adds to a tool call of codex: hook, question, durable receipt."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from runner.agent.codex import CodexExec, Gated
from runner.attending import Attending
from runner.broker.keys import Key
from runner.broker.lender import Broker
from runner.broker.upstream import Upstream
from runner.demo.model import KEY, Say, ScriptedModel, Shell
from runner.demo.sample import AUTHOR_MODEL
from runner.gateway import shim
from runner.ledger.ledger import open_ledger
from runner.ports import Engine, Lease, Session
from runner.records.base import RunId
from runner.records.sandbox import Overlay, Walls
from runner.records.usage import Budget
from runner.sandbox import relay
from tests.bench.engines import bubblewrap
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Result, Row, Unmeasured, UnmeasuredError
from tests.fake_world import make_plan

WHAT = "a tool call with the gate's hook / without"
CALLS = 20
MOST_MS = 25.0
BUDGET = Budget(requests=100, input_tokens=10**7, output_tokens=10**6, wall_s=120)


def measure(setting: Setting) -> Iterator[Result]:
    try:
        engine, _ = bubblewrap()
        arms = {
            "ours": lambda: session_ms(engine, gated=True) / CALLS,
            "bare": lambda: session_ms(engine, gated=False) / CALLS,
        }
        interleave(arms, 1)
        taken = interleave(arms, setting.rounds)
        yield Row(WHAT, "ms", taken["ours"], taken["bare"], "excess", at_most=MOST_MS)
    except UnmeasuredError as error:
        yield Unmeasured(WHAT, str(error))


def _empty(engine: Engine, home: Path) -> Overlay:
    """A workspace with nothing in it but what codex wants to be read-only."""
    lower, upper, work, cover = (home / name for name in ("lower", "upper", "work", "cover"))
    names = (".git", ".codex", ".agents")
    for path in (lower, upper, work, cover, *(lower / name for name in names)):
        path.mkdir()
        os.chown(path, engine.uid, -1)
    home.chmod(0o755)
    return Overlay((lower,), upper, work, dict.fromkeys(names, cover), engine.attributes)


def session_ms(engine: Engine, *, gated: bool) -> float:
    """`CALLS` commands, one after the other, in one session."""
    gate = Gated(Path(str(shim.__file__))) if gated else None
    coder = CodexExec(engine, "0.163.0", Path(relay.__file__), "required", gate=gate)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hook-"))).resolve()
        model = stack.enter_context(ScriptedModel([Shell("true")] * CALLS + [Say("Done.")]))
        broker = Broker(Upstream(model.url), Key(KEY.encode(), "bench"), {})
        lent = broker.lend(AUTHOR_MODEL, BUDGET, home / "broker.jsonl")
        lease: Lease = stack.enter_context(lent)
        if gated:
            ledger = stack.enter_context(open_ledger(home))
            attending = Attending(make_plan(), ledger, lambda: None)
            lease = stack.enter_context(attending("agent", AUTHOR_MODEL, lease)).lease
        session = Session(
            run=RunId("bench"),
            role="agent",
            model=AUTHOR_MODEL,
            prompt="Work.",
            lease=lease,
            walls=Walls(wall_s=120),
            idle_s=60,
            events=home / "events.jsonl",
            workspace=_empty(engine, home),
        )
        began = perf_counter()
        result = coder.work(session)
        taken_ms = 1000 * (perf_counter() - began)
    if not result.ok or result.commands != CALLS:
        raise UnmeasuredError(f"codex ran {result.commands} of {CALLS} commands: {result.reason}")
    return taken_ms
