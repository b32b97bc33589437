"""The queue of a state directory: signed, believed and stopped as everything else in it is."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from runner import killswitch, live
from runner.approvals.queue import Queue, how
from runner.approvals.standing import Standing
from runner.approvals.webhook import FILE as WEBHOOK
from runner.errors import ConfigError, InfraError
from runner.killswitch import Switch
from runner.policy.command_class import classify
from runner.policy.settings import find_state
from runner.records.approval import Action, ApprovalRules, Channel, Risk
from runner.records.base import RunId
from runner.records.decision import Proposal
from runner.records.evidence import Statement
from runner.records.kill import Target

HOME = "approvals"
"""In the state directory."""
_RUN = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}")


def queue_of(
    state: Path,
    rules: ApprovalRules,
    switch: Switch,
    *,
    level: int = 1,
    author: str = "",
    channels: tuple[Channel, ...] = (),
    risk: Callable[[Sequence[str], str], Risk] = classify,
) -> Queue:
    """What waits in `state`, under the rules of a plan. `risk`: of tools and a command."""

    def stopped(action: Proposal | Action) -> str | None:
        kill = switch.hits(_target(action))
        return None if kill is None else killswitch.why(kill)

    standing = Standing(
        unseal=lambda envelope: unseal(state, envelope),
        rules=rules,
        stopped=stopped,
        alive=lambda run: alive(state, run),
        risk=risk,
        heard=set(),
    )
    return Queue(
        state / HOME,
        lambda statement: seal(state, statement),
        standing,
        level=level,
        author=author,
        channels=channels,
    )


def channels(state: Path, environ: Mapping[str, str], *, at_terminal: bool) -> tuple[Channel, ...]:
    """How somebody can be reached while a run waits; in CI nobody looks at a terminal."""
    found: list[Channel] = ["terminal"] if at_terminal and not in_ci(environ) else []
    if os.path.lexists(state / HOME / WEBHOOK):
        found.append("webhook")
    return tuple(found)


def prompt(queue: Queue, run: RunId) -> str:
    """What a run that waits tells whoever watches it; empty = it waits for nobody."""
    with suppress(InfraError):
        for asked, state in queue.requests():
            if asked.run == run and state == "waiting":
                return f"until {asked.expires_at:%R}Z: {how(asked)}{_where(queue)}"
    return ""


def in_ci(environ: Mapping[str, str]) -> bool:
    """As nearly all of them say it."""
    return environ.get("CI", "").lower() not in ("", "0", "false")


def author(environ: Mapping[str, str]) -> str:
    """Who started this, where GitHub says so."""
    name = environ.get("GITHUB_ACTOR", "") if environ.get("GITHUB_ACTIONS") == "true" else ""
    return f"github:{name}" if name else ""


def alive(state: Path, run: RunId) -> bool:
    """A run that has ended, or whose runner is gone, waits for nothing. What is no run of this
    directory is somebody else's: only time ends that."""
    if not _RUN.fullmatch(run):
        return True
    held = live.held(state / live.LIVE, run)
    return bool(held) or (held is None and not (state / "runs" / run).is_dir())


def seal(state: Path, statement: Statement) -> bytes:
    """Signed with the approver's key, and in the ledger.

    Raises:
        ConfigError: there is no such key, or it does not count any more.
        InfraError: the ledger cannot be written.
    """
    from runner.ledger.keys import local_signer, local_signers
    from runner.ledger.ledger import open_ledger

    local_signer(state, "approver")
    with open_ledger(state, local_signers(state)) as ledger:
        return ledger.append(statement).envelope


def unseal(state: Path, envelope: bytes) -> Mapping[str, object]:
    """What an approver said whose key is in use. Raises ValueError: it is no such thing."""
    from runner.ledger.keyring import local_ring

    try:
        ring = local_ring(state)
    except ConfigError as error:
        raise ValueError(error.problem) from error
    found = ring.unseal(envelope)
    predicate = found.statement.get("predicate")
    if found.kind != "approval" or not isinstance(predicate, dict):
        raise ValueError("it is no approval")
    if ring.keys[found.keyid].ended:
        raise ValueError("its key does not count any more")
    return predicate


def require_key(state: Path, *, may_make: bool) -> Path | None:
    """The approver's key is there; the path of one that was made now.

    Raises:
        ConfigError: there is none, and nobody is here for whom one could be made.
    """
    from runner.ledger.keys import has_key, key_file
    from runner.ledger.ledger import open_ledger
    from runner.ledger.rekeying import Keeper

    if has_key(state, "approver"):
        return None
    if not may_make:
        raise ConfigError(
            "there is no approver's key, and none is made where nobody sits at a terminal",
            "codex-runner keys create approver",
        )
    Keeper(state, open_ledger).create("approver")
    return key_file(state, "approver")


def _where(queue: Queue) -> str:
    """What a command has to say besides, unless it looks there anyway."""
    state = queue.home.parent
    with suppress(ConfigError):
        if find_state(os.environ).resolve() == state.resolve():
            return ""
    return f" --state {shlex.quote(str(state))}"


def _target(action: Proposal | Action) -> Target:
    if isinstance(action, Proposal):
        return Target(run=action.run, agent=action.agent, policy=action.policy)
    repos = killswitch.repository_names(action.remote)
    return Target(run=action.run, repos=repos, policy=action.policy)
