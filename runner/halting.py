"""Whether a run may go on: what it is to the kill switch, and what the ledger remembers of kills.

1. Before anything else a run compares the switch with the ledger: a kill that is there without an
   approver's lift is in force again, wherever its file went.
2. It is asked about by all its names: its own and those of the runs it continues, its agent, its
   repository, the key that signs for it, the policy that decided it.
3. What it is lies in its lease while it lives (`TARGET`), for whoever pulls the switch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ConfigDict, TypeAdapter

from runner.errors import ConfigError, InfraError, RunnerError
from runner.killswitch import BROKEN, FILE, Lifts, Switch, remedy, repository_names
from runner.ledger.folder import on_disk
from runner.records.base import RunId, Sha256
from runner.records.evidence import About, Entry, ReceiptId, Statement
from runner.records.kill import Kill, Target

if TYPE_CHECKING:
    from runner.ports import Ledger
    from runner.records.plan import Plan
    from runner.records.repository import Base
    from runner.records.sandbox import StopReason
    from runner.told import Told

TARGET = "target.json"
"""In the directory of a run's lease, from its plan on: all that it is, for `told_targets`."""
_TARGETS = TypeAdapter(tuple[Target, ...], config=ConfigDict(strict=True, defer_build=True))


@dataclass(slots=True)
class Halting:
    """One run before the switch. `killed_by` is cheap: see `Switch.hits`."""

    switch: Switch
    home: Path
    """The directory of its lease."""
    told: Told
    targets: tuple[Target, ...] = ()

    @staticmethod
    def ready(switch: Switch, home: Path, told: Told) -> Halting:
        """From now on the run asks the switch before each phase."""
        made = Halting(switch, home, told)
        told.killed_by = made.killed_by
        return made

    def known(self, *targets: Target) -> None:
        """From now on it is all of these. Raises HaltedError: one of them is stopped."""
        self.targets = targets
        self.told.heed_kill()

    def published(self, *targets: Target) -> None:
        """The same, and others may know it.

        Raises:
            HaltedError: one of them is stopped.
            InfraError: it cannot be written.
        """
        partial = self.home / f"{TARGET}.new"
        with on_disk(partial):
            partial.write_bytes(_TARGETS.dump_json(targets))
            partial.replace(self.home / TARGET)
        self.known(*targets)

    def killed_by(self) -> Kill | None:
        found = (self.switch.hits(target) for target in self.targets)
        return next((kill for kill in found if kill is not None), None)

    def heard(self, halted: Callable[[], StopReason | None]) -> Callable[[], StopReason | None]:
        """`halted`, or the switch; a kill goes first, because it ends things at once."""

        def both() -> StopReason | None:
            otherwise = halted()
            return otherwise if self.killed_by() is None else "halted"

        return both


def told_targets(home: Path) -> tuple[Target, ...]:
    """What the run of this lease says that it is; empty = it does not say it yet."""
    try:
        return _TARGETS.validate_json((home / TARGET).read_bytes())
    except (OSError, ValueError):
        return ()


def begun(run: RunId, repository: Path, key: str) -> Target:
    """What is known of a run before its plan."""
    return Target(run=run, repos=repository_names(str(repository.resolve())), key=key)


def planned(plan: Plan, base: Base, key: str) -> tuple[Target, ...]:
    """What a run is; what it continues; and that its agent works under the operator's policy."""
    agent = plan.agent
    target = Target(
        run=plan.run,
        agent=agent.id if agent else "",
        repos=repository_names(str(base.repository), plan.remote or "", base.remote or ""),
        key=key,
        policy=plan.policy_sha256,
    )
    operators = () if agent is None else (Target(policy=agent.policy_sha256),)
    before = () if plan.resumed is None else (Target(run=plan.resumed),)
    return (target, *operators, *before)


def statement_of(kill: Kill) -> Statement:
    """Who stopped what, and why."""
    about = About(run=RunId(kill.subject)) if kill.scope == "run" else About()
    return Statement(
        kind="kill",
        subject={f"kill/{kill.id}": {"sha256": kill.digest()}},
        predicate={"kill": kill.model_dump(mode="json")},
        about=about,
    )


def lift_of(kill: Kill, reason: str, by: str) -> Statement:
    """Who ended that, and why; it holds for this kill only."""
    return Statement(
        kind="lift",
        subject={f"kill/{kill.id}": {"sha256": kill.digest()}},
        predicate={"kill": kill.id, "reason": reason, "by": by},
    )


def opened(state: Path, extra_file: Path | None, ledger: Ledger | None = None) -> Switch:
    """The switch of this state directory, believing its approvers."""
    return Switch(state, extra_file, lifts(state, ledger))


def lifts(state: Path, ledger: Ledger | None = None) -> Lifts:
    """What the switch believes: a `lift` of an approver of this state directory. One whose key was
    replaced or revoked since has to be in the ledger, where it was said before that.
    """

    def lifted(envelope: bytes) -> Sha256 | None:
        from runner.ledger.dsse import ReceiptError
        from runner.ledger.keyring import local_ring

        try:
            ring = local_ring(state)
            found = ring.unseal(envelope)
            if ring.keys[found.keyid].ended:
                kept = ledger.entry(_receipt(envelope)) if ledger is not None else None
                ring.unseal(envelope, sys.maxsize if kept is None else kept.seq)
        except (ReceiptError, RunnerError):
            return None
        match found.kind, found.statement.get("subject"):
            case "lift", [{"digest": {"sha256": str(digest)}}]:
                return Sha256(digest)
            case _:
                return None

    return lifted


def recalled(state: Path, extra_file: Path | None, ledger: Ledger) -> Switch:
    """The switch: what the ledger remembers is in force again, and what it says is lifted, is.

    Raises:
        InfraError: it cannot be read, or the switch cannot be written.
    """
    switch = opened(state, extra_file, ledger)
    entries = [*ledger.entries(kinds=("kill", "lift"))]
    said = [entry.envelope for entry in entries if entry.kind == "lift"]
    ended = {digest: each for each in said if (digest := switch.lifts(each)) is not None}
    for entry in entries:
        if entry.kind == "kill":
            kill = _kill(entry)
            switch.recall(kill, ended.get(kill.digest()))
    return switch


def _receipt(envelope: bytes) -> ReceiptId:
    return ReceiptId(f"rc_{hashlib.sha256(envelope).hexdigest()[:32]}")


def _kill(entry: Entry) -> Kill:
    """Whoever signed it: to stop is easy."""
    try:
        payload = json.loads(base64.b64decode(json.loads(entry.envelope)["payload"]))
        return Kill.model_validate_json(json.dumps(payload["predicate"]["kill"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InfraError(
            f"entry {entry.seq} of the ledger is a kill that cannot be read",
            "codex-runner verify says what is wrong with the ledger",
        ) from error


def in_force(state: Path, extra_file: Path | None, address: str | None = None) -> tuple[Kill, ...]:
    """For whoever asks: as the next run would see it, whose ledger is at `address`."""
    from runner.ledger.ledger import has_ledger, open_ledger

    if not has_ledger(state, address):
        return opened(state, extra_file).kills()
    with open_ledger(state, address=address) as ledger:
        return recalled(state, extra_file, ledger).kills()


def noted(state: Path, kill: Kill, address: str | None = None) -> ReceiptId:
    """The ledger has it. Raises InfraError, ConfigError: it cannot be written."""
    from runner.ledger.ledger import open_ledger

    with open_ledger(state, address=address) as ledger:
        return ledger.append(statement_of(kill)).id


def lifted(state: Path, beginning: str, reason: str, by: str, address: str | None = None) -> Kill:
    """What is lifted: first in the ledger, then for the switch.

    Raises:
        ConfigError: no such kill, or there is no approver's key.
        InfraError: the ledger or the switch cannot be written.
    """
    from runner.ledger.keys import local_signer
    from runner.ledger.ledger import open_ledger

    local_signer(state, "approver")
    with open_ledger(state, address=address) as ledger:
        switch = opened(state, None, ledger)
        found = [kill for kill in switch.kills() if beginning and kill.id.startswith(beginning)]
        if len(found) != 1:
            raise ConfigError(f"no single kill {beginning!r} is in force", "codex-runner kill list")
        (kill,) = found
        if kill.id in {FILE, BROKEN}:
            raise ConfigError(f"{beginning!r} is no kill of its own: {kill.reason}", remedy(kill))
        return switch.lift(kill.id, ledger.append(lift_of(kill, reason, by)).envelope)
