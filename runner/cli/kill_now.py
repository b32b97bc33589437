"""A kill from the command line: in force, then kept, then proved."""

from __future__ import annotations

import os
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.address import ledger_address
from runner.errors import ConfigError, InfraError, RunnerError
from runner.killfile import pull
from runner.live import LIVE, SUFFIX
from runner.person import this_user

if TYPE_CHECKING:
    from runner.records.evidence import ReceiptId
    from runner.records.kill import Kill, Scope
    from runner.stopping import Proof

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")
NOTE_S = 10.0
"""For the ledger, after the proof."""


def perform(state: Path, scope: Scope, subject: str, reason: str, *, as_json: bool) -> int:
    """The exit code: 0 when nothing it means is alive and the ledger has it.

    Raises:
        ConfigError: the subject is none.
        InfraError: the kill cannot be written; nothing is stopped.
    """
    begun = _begun(state)
    written = pull(state, scope, _named(state, scope, subject), reason, this_user())
    from runner.halting import noted  # only now: they are slow to import
    from runner.records.kill import Kill
    from runner.stopping import prove
    from runner.text import to_json

    kill = Kill.model_validate_json(written)
    pool = ThreadPoolExecutor(1)  # a runner that hangs may hold the ledger: it dies meanwhile
    noting = pool.submit(lambda: noted(state, kill, ledger_address(state)))
    proof = prove(state, kill, begun)
    took_ms = _since_start_ms()
    receipt, trouble = _kept(noting)
    pool.shutdown(wait=False, cancel_futures=True)
    left = (*proof.left, *trouble)
    if as_json:
        told = kill.model_dump(mode="json")
        rows = {"runs": proof.runs, "left": left, "took_ms": took_ms, "receipt_id": receipt}
        click.echo(to_json({"kill": told, "proved": not left, **rows}))
    else:
        _tell(kill, proof, left, took_ms)
    return InfraError.exit_code if left else 0


def _begun(state: Path) -> frozenset[str]:
    """Names of the leases before the kill: a run may have ended by it before it is looked at."""
    try:
        names = os.listdir(state / LIVE)
    except OSError:
        return frozenset()
    return frozenset(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def _named(state: Path, scope: str, subject: str) -> str:
    """A run by the beginning of its id; a directory from here. Raises ConfigError: no such run."""
    if scope == "repo" and Path(subject).exists():
        return os.path.abspath(subject)
    if scope == "run":
        from runner.ledger.folder import folders

        known = [folder.run for folder in folders(state)]
        fitting = [run for run in known if run == subject] or [
            run for run in known if subject and run.startswith(subject)
        ]
        if len(fitting) == 1:
            return fitting[0]
        if not _ID.fullmatch(subject):  # who mistypes must not hear that nothing was running
            raise ConfigError(
                f"no single run {subject[:100]!r} is here: nothing was stopped",
                "codex-runner list, or stop everything: codex-runner kill --all --reason WHY",
            )
        click.echo(f"warning: run {subject} is not here; it is stopped where it begins", err=True)
    return subject


def _kept(noting: Future[ReceiptId]) -> tuple[ReceiptId | None, tuple[str, ...]]:
    try:
        return noting.result(NOTE_S), ()
    except TimeoutError:
        return None, (f"the ledger: it could not be written for {NOTE_S:g} s",)
    except RunnerError as error:
        return None, (f"the ledger: {error.problem}",)


def _tell(kill: Kill, proof: Proof, left: tuple[str, ...], took_ms: int) -> None:
    from runner.killswitch import why
    from runner.report.sanitise import line

    click.echo(line(why(kill), 500))
    for run in proof.runs:
        click.echo(f"dead      run {run}" if not proof.left else f"stopped   run {run}")
    for each in left:
        click.echo(f"left      {line(each, 500)}")
    if not left:
        what = f"{len(proof.runs)} running" if proof.runs else "nothing was running"
        click.echo(f"proved    in {took_ms} ms from the start of this command: {what}")
    click.echo(f"lift      codex-runner kill lift {kill.id} --reason WHY")


def _since_start_ms() -> int:
    """Since this process began, its interpreter's start included."""
    from runner.lifetime import start_ticks

    ticks = int(start_ticks(os.getpid()) or 0)
    began_s = ticks / os.sysconf("SC_CLK_TCK")
    return round((time.clock_gettime(time.CLOCK_BOOTTIME) - began_s) * 1000)
