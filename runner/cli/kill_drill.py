"""`codex-runner kill --drill`: how long it takes, on a run that was made to be killed."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from runner import strays
from runner.cli.kill_victim import host_env, started
from runner.demo.model import ScriptedModel, Shell
from runner.errors import HaltedError, InfraError
from runner.gating import judge_of
from runner.halting import opened, told_targets
from runner.ledger.folder import RunFolder, folders
from runner.live import LIVE
from runner.process import Child, run
from runner.records.decision import Proposal
from runner.records.evidence import AgentId
from runner.records.plan import Plan

GOAL_MS = 1000
READY_S = 120.0
"""For codex to start its command; the first time the engine is tried as well."""
POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Drilled:
    """What was measured; times from the start of the kill command, its interpreter's included."""

    engine: str
    proved_ms: int
    """Until it had ended, and with it everything of the run."""
    denied_ms: int
    """Until the next decision was a DENY."""
    left: tuple[str, ...]
    """What was still alive, or went on."""


def perform(engine: str, *, as_json: bool) -> int:
    """The exit code: 0 = everything is dead and denied, 3 = it is not.

    Raises:
        InfraError: the run could not be made to run.
    """
    with TemporaryDirectory(prefix="codex-runner-kill-") as home:
        drilled = _drill(Path(home).resolve(), engine)
    if as_json:
        click.echo(json.dumps({**asdict(drilled), "goal_ms": GOAL_MS}, indent=2))
    else:
        met = "goal" if drilled.proved_ms <= GOAL_MS else "SLOWER than the goal of"
        click.echo(f"engine         {drilled.engine}")
        click.echo(f"all dead       {drilled.proved_ms} ms after the command; {met} {GOAL_MS} ms")
        click.echo(f"next decision  DENY after {drilled.denied_ms} ms")
        for each in drilled.left:
            click.echo(f"left           {each}")
    return InfraError.exit_code if drilled.left else 0


def _drill(home: Path, engine: str) -> Drilled:
    mark = f"86400.{secrets.randbelow(10**9):09}"
    command = Shell(f"trap '' INT TERM; sleep {mark}; sleep {mark}")
    with ScriptedModel([command]) as model, ThreadPoolExecutor(1) as pool:
        with started(home, engine, model.url) as victim:
            folder = _working(home / "state", victim, mark)
            decide = _decides(home / "state", folder)
            if decide() != "ALLOW":
                raise InfraError("the run may not do anything to begin with", "see its plan")
            began = time.monotonic()
            denied = pool.submit(_until, lambda: decide() == "DENY", began)
            words = ("kill", "--all", "--reason", "drill", "--state", str(home / "state"))
            ended = run([sys.executable, "-m", "runner", *words], env=host_env())
            proved_ms = _ms(began)
            left = [f"process {pid}, of the agent's command" for pid in _marked(mark)]
            left += [f"kill: {ended.error()}; {ended.text()}"] if ended.code else []
            left += _not_halted(victim, "the run") + ([] if decide() == "DENY" else ["decisions"])
        with started(home, engine, model.url) as again:
            left += _not_halted(again, "the next run")
    return Drilled(engine, proved_ms, denied.result(), tuple(left))


def _not_halted(victim: Child, what: str) -> list[str]:
    _until(lambda: victim.poll() is not None, time.monotonic())
    if victim.poll() == HaltedError.exit_code:
        return []
    return [f"{what}, which ended with {victim.poll()} (None = it goes on)"]


def _working(state: Path, victim: Child, mark: str) -> RunFolder:
    """The run, once codex lets its command run."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until and victim.poll() is None:
        if _marked(mark):
            return folders(state)[0]
        time.sleep(POLL_S * 10)
    raise InfraError("the run did not come to work", "codex-runner doctor; codex-runner demo")


def _decides(state: Path, folder: RunFolder) -> Callable[[], str]:
    """What a gate of that run says of `true`."""
    plan = Plan.model_validate_json(folder.read("plan.json") or b"")
    target, *_ = told_targets(state / LIVE / folder.run)
    switch = opened(state, None)
    judge = judge_of(plan, lambda: switch.hits(target))
    proposal = Proposal(
        agent=AgentId(target.agent),
        tenant="",
        run=plan.run,
        tools=("Bash",),
        code="true",
        policy=plan.policy_sha256,
    )
    return lambda: judge(proposal).word


def _until(true: Callable[[], bool], began: float) -> int:
    while not true() and time.monotonic() - began < READY_S:
        time.sleep(POLL_S)
    return _ms(began)


def _marked(mark: str) -> list[int]:
    """The agent's command, looked for without the product's own way of knowing."""
    says = strays.says(mark)
    return [pid for pid in strays.pids() if says(pid)]


def _ms(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
