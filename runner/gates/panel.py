"""Reviewers' opinions counted: so many approvals, and no veto.

1. A reviewer approves a change when it approves every portion, and rejects it when it rejects one.
2. A reviewer that comes to no opinion of a portion refuses the change, however the others vote:
   the one that did not read may be the one that would have seen it.
3. Rejections can be outvoted where fewer approvals than reviewers are asked for; a critical finding
   of high confidence cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from runner.records.gate import Finding, GateReport
from runner.records.plan import Plan
from runner.text import line

NAME = "review"
VETO_PERCENT = 80
Vote = Literal["approve", "reject", "none"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding about the change; its text is printable and speaks of nothing planted."""

    severity: Literal["critical", "high", "medium", "low"]
    path: str | None
    line: int | None
    why: str
    confidence: int
    """Percent."""

    @property
    def vetoes(self) -> bool:
        return self.severity == "critical" and self.confidence >= VETO_PERCENT


@dataclass(frozen=True, slots=True)
class Opinion:
    """Of one reviewer about one portion."""

    reviewer: str
    portion: str
    vote: Vote
    summary: str
    """Of no vote, why there is none."""
    proof: str
    """Nonce and digests, for the receipt."""
    remarks: tuple[Remark, ...] = ()
    code: str = ""
    """Of no vote."""
    remedy: str = ""
    rule: str = ""
    """Of no vote, the limit that was in the way."""


def ask(plan: Plan, opinions: Callable[[str], Iterable[Opinion]]) -> tuple[Opinion, ...]:
    """Reviewer after reviewer, until it is clear that the change is refused."""
    found: tuple[Opinion, ...] = ()
    for model in plan.reviewers:
        found = (*found, *opinions(model))
        if _refuses(plan, found):
            break
    return found


def decide(plan: Plan, found: tuple[Opinion, ...], facts: dict[str, str]) -> GateReport:
    """Passed when enough reviewers approved and nothing stands against it; else refused."""
    approvals = _approvals(plan, found)
    evidence = {
        "model": ", ".join(plan.reviewers),
        **facts,
        "votes": ", ".join(f"{model}: {_vote(found, model)}" for model in plan.reviewers),
        "approvals": f"{approvals} of {len(plan.reviewers)}, {_needed(plan)} needed",
    }
    for one in found:
        evidence[f"{one.reviewer} {one.portion}"] = f"{one.code or one.vote}, {one.proof}"
    passed = approvals >= _needed(plan) and not _refuses(plan, found)
    several = len(plan.reviewers) > 1
    for one in found:
        if one.vote == "none":
            against = (each for each in found if each.vote == "reject")
            also = (_finding(each, r, passed, several) for each in against for r in each.remarks)
            return refused(
                one.code,
                _why(one, found),
                evidence=evidence,
                remedy=one.remedy,
                rule=one.rule,
                also=tuple(also),
            )
    findings = (_finding(one, r, passed, several) for one in found for r in one.remarks)
    return GateReport(
        gate=NAME,
        verdict="passed" if passed else "refused",
        summary=_summary(found, passed),
        findings=tuple(findings),
        evidence=evidence,
    )


def _why(one: Opinion, found: tuple[Opinion, ...]) -> str:
    alone = len(found) == 1 and one.portion == "1/1"
    return one.summary if alone else f"{one.reviewer}, portion {one.portion}: {one.summary}"


def refused(
    code: str,
    why: str,
    *,
    retryable: bool = False,
    remedy: str = "",
    rule: str = "",
    evidence: dict[str, str] | None = None,
    also: tuple[Finding, ...] = (),
) -> GateReport:
    """One reason, that is not a reviewer's; `also` are what reviewers had said by then."""
    finding = Finding(
        gate=NAME,
        code=f"{NAME}.{code}",
        why=why,
        remedy=remedy or "run again or review it yourself",
        retryable=retryable,
        rule=rule,
    )
    return GateReport(
        gate=NAME,
        verdict="refused",
        summary=why,
        findings=(finding, *also),
        evidence=evidence or {},
    )


def _refuses(plan: Plan, found: tuple[Opinion, ...]) -> bool:
    """Whatever the others will say."""
    rejections = sum(_vote(found, model) == "reject" for model in plan.reviewers)
    return (
        any(one.vote == "none" for one in found)
        or any(remark.vetoes for one in found for remark in one.remarks)
        or len(plan.reviewers) - rejections < _needed(plan)
    )


def _vote(found: tuple[Opinion, ...], model: str) -> str:
    mine = {one.vote for one in found if one.reviewer == model}
    return next((vote for vote in ("none", "reject", "approve") if vote in mine), "not asked")


def _approvals(plan: Plan, found: tuple[Opinion, ...]) -> int:
    return sum(_vote(found, model) == "approve" for model in plan.reviewers)


def _needed(plan: Plan) -> int:
    asked = plan.review.approvals
    return len(plan.reviewers) if asked is None else max(1, asked)


def _summary(found: tuple[Opinion, ...], passed: bool) -> str:
    """Whose word counted, and what was said."""
    told = [one for one in found if (one.vote == "approve") == passed] or [*found]
    who = ", ".join(dict.fromkeys(one.reviewer for one in told))
    said = "; ".join(dict.fromkeys(one.summary for one in told))
    return line(f"{'approved' if passed else 'rejected'} by {who}: {said}")


def _finding(one: Opinion, remark: Remark, passed: bool, several: bool) -> Finding:
    who = f"{one.reviewer}, " if several else ""
    return Finding(
        gate=NAME,
        code=f"{NAME}.{'remark' if passed else 'rejected'}",
        path=None if remark.path is None else line(remark.path),
        line=remark.line,
        why=f"{who}{remark.severity} ({remark.confidence} %): {remark.why}",
        remedy="consider it when you merge" if passed else "mend what the reviewer names",
        retryable=not passed,
    )
