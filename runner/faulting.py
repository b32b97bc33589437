"""What a person tells of a run that no forge knows: it did harm, it got out, it was taken back.

It weighs as much as what a forge tells, is signed with the same verifier's key, and is told once.
"""

from __future__ import annotations

from datetime import UTC, datetime

from runner.errors import ConfigError
from runner.forge.address import without_credentials
from runner.ledger.folder import RunFolder
from runner.ledger.outcomes import Told
from runner.person import this_user
from runner.records.evidence import AgentId, ReceiptId
from runner.records.trust import OutcomeKind
from runner.trusting import Log, read_book
from runner.vouching import vouched_report


def fault(
    folder: RunFolder, ledger: Log, kind: OutcomeKind, reason: str
) -> tuple[AgentId, ReceiptId, bool]:
    """Whose work it was, the receipt, and whether it is new.

    Raises:
        ConfigError: there is no reason, no agent worked in that run, or no verifier's key is here.
        RefusedError: the run's receipt does not vouch for who that was.
    """
    if not reason.strip():
        raise ConfigError("a report needs a reason", "say what happened: --reason TEXT")
    report = vouched_report(folder)
    plan, published = report.plan, report.publication
    if plan is None or plan.agent is None:
        raise ConfigError(f"no agent worked in run {folder.run}", "codex-runner list")
    for known in read_book(folder.state, ledger).outcomes:
        if (known.opportunity, known.kind) == (folder.run, kind):
            return known.agent, known.receipt, False
    told = Told(
        opportunity=report.run,
        agent=plan.agent.id,
        generation=plan.agent.generation,
        kind=kind,
        at=datetime.now(UTC),
        by=this_user(),
        remote=without_credentials(plan.remote or ""),
        target=plan.target,
        commit=published.commit if published else "",
        request=published.url if published else "",
        reason=reason.strip(),
    )
    return plan.agent.id, ledger.append(told.statement()).id, True
