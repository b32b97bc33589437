"""Gate `review`: other models read the whole change and may veto. They can only veto.

1. Every reviewer is another model than the author, each portion in a session of its own.
2. The rows are proved to be the change (`hunks`), every one is in a portion (`portions`), and each
   portion has to be judged; a change of more portions than the limits allow is refused.
3. What is shown is data between fences named by a nonce the author could not know, every character
   of it exact.
4. Only one strict answer counts: bound to nonce, tree and portion, about places that were shown,
   and naming the defect that was planted in it (`canary`). Everything else refuses.
5. Votes are counted by `panel`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from runner.case import Case
from runner.errors import BudgetError
from runner.gates import hunks, panel, verdict
from runner.gates.canary import Canary, plant
from runner.gates.panel import NAME, Opinion, Remark, Vote
from runner.gates.portions import Portion, portions
from runner.gates.question import Question, question
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
from runner.records.sandbox import StopReason
from runner.records.task import how_to_raise
from runner.text import line

__all__ = ["NAME", "ReviewGate", "check"]


@dataclass(frozen=True, slots=True)
class ReviewGate:
    """`ReviewGate(earlier, seed).check(case)`."""

    NAME = NAME
    earlier: Callable[[], tuple[GateReport, ...]] = lambda: ()
    """What the gates before said of the same tree; the reviewers are told."""
    seed: bytes = b""
    """Of what is planted; empty = another one every time. Only a replay needs the same again."""

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: a reviewer could not be asked; BudgetError: its budget ran out."""
        reviewers = case.plan.reviewers
        author = case.plan.model.strip().casefold()
        if author in {model.strip().casefold() for model in reviewers}:
            return panel.refused("same-model", f"author and reviewer are both {case.plan.model}")
        try:
            files = hunks.read(case.patch, case.diff(), case.blob)
        except hunks.UnaccountedError as error:
            return panel.refused("unaccounted", line(str(error)))
        parts = portions(files)
        if len(parts) * len(reviewers) > case.plan.limits.requests:
            return panel.refused(
                "too-large",
                f"{len(parts)} portions for each of {len(reviewers)} reviewers are more than"
                f" {case.plan.limits.requests} requests",
                retryable=True,
                remedy=f"make the change smaller, or {how_to_raise('requests')}",
            )
        found = panel.ask(case.plan, lambda model: self._opinions(case, parts, model))
        facts = {"tree": case.patch.tree, "portions": f"{len(parts)}"}
        return panel.decide(case.plan, found, facts)

    def _opinions(self, case: Case, parts: tuple[Portion, ...], model: str) -> Iterator[Opinion]:
        """One of each portion, up to the first that is none."""
        seed = self.seed or secrets.token_bytes(32)
        for number, blocks in enumerate(parts, 1):
            canary = _planted(case, blocks, seed + f" {case.patch.tree} {model} {number}".encode())
            asked = question(case, parts, number, canary, self.earlier())
            result = case.review(asked.prompt, verdict.SCHEMA, model)
            opinion = _Heard(case, model, asked, result).opinion
            yield opinion
            if opinion.vote == "none":
                return


def check(case: Case) -> GateReport:
    """As `ReviewGate().check`."""
    return ReviewGate().check(case)


def _planted(case: Case, blocks: Portion, seed: bytes) -> Canary:
    def taken(directory: str) -> bool:
        touched = any(each.path.split("/")[0] == directory for each in case.patch.changes)
        return touched or case.at_base(directory)

    return plant(seed, blocks, taken)


@dataclass(frozen=True)
class _Heard:
    """What came of one session."""

    case: Case
    model: str
    asked: Question
    result: AgentResult

    @property
    def opinion(self) -> Opinion:
        result = self.result
        if result.exit.stopped == "budget" or result.usage.exhausted is not None:
            raise _exhausted(result.usage.exhausted or "")
        if result.exit.stopped is not None:
            return self._late(result.exit.stopped)
        if not result.ok:
            return self._none("failed", f"the reviewer's session failed: {line(result.reason)}")
        if not result.message.strip():
            return self._none("empty", "the reviewer said nothing")
        try:
            answer = verdict.parse(result.message)
        except verdict.InvalidAnswerError as error:
            return self._none("invalid", f"the reviewer's answer is invalid: {line(str(error))}")
        return self._objection(answer) or self._vote(answer)

    def _objection(self, answer: verdict.Answer) -> Opinion | None:
        """Why a well-formed answer does not count."""
        asked = self.asked
        bound = (asked.nonce, self.case.patch.tree, asked.portion)
        if (answer.nonce, answer.tree, answer.portion) != bound:
            why = "the answer does not repeat the nonce, tree id and portion it was given"
            return self._none("unbound", why)
        if answer.verdict == "abstain":
            return self._none("abstained", f"the reviewer abstained: {self._told(answer.summary)}")
        spot, named = asked.canary.spot, answer.planted
        if named is None or (named.path, named.line) != (spot.path, spot.line):
            why = "the reviewer did not find the defect planted for it: it has not read it all"
            return self._none("unread", why)
        for remark in self._remarks(answer):
            shown = asked.places.get(remark.path or "")
            if remark.path is not None and shown is None:
                return self._none("invalid", "a finding names a file that was not shown")
            if remark.line is not None and (shown is None or remark.line not in shown.lines):
                return self._none("invalid", "a finding names a line that was not shown")
        return None

    def _vote(self, answer: verdict.Answer) -> Opinion:
        asked = self.asked
        remarks = tuple(
            replace(each, path=each.path and asked.places[each.path].path)
            for each in self._remarks(answer)
        )
        grave = any(remark.severity in {"critical", "high"} for remark in remarks)
        if answer.verdict == "approve" and grave:
            return self._none("invalid", "the reviewer approved with critical or high findings")
        if answer.verdict == "reject" and answer.findings and not remarks:
            return self._none("abstained", "the reviewer rejected nothing but the planted defect")
        summary = self._told(answer.summary) or "no summary"
        if answer.verdict == "reject" and not remarks:
            remarks = (Remark("high", None, None, summary, 0),)
        vote: Vote = "approve" if answer.verdict == "approve" else "reject"
        return Opinion(self.model, asked.portion, vote, summary, self._proof, remarks)

    def _remarks(self, answer: verdict.Answer) -> tuple[Remark, ...]:
        """Paths as they were shown; without what is said of the planted file."""
        planted = self.asked.canary.spot.path
        return tuple(
            Remark(each.severity, each.path, each.line, self._told(each.rationale), each.confidence)
            for each in answer.findings
            if each.path != planted
        )

    def _told(self, text: str) -> str:
        return line(self.asked.canary.withheld(text), verdict.TEXT_CHARS)

    @cached_property
    def _proof(self) -> str:
        answer = hashlib.sha256(self.result.message.encode(errors="surrogatepass")).hexdigest()
        return f"nonce {self.asked.nonce}, prompt {self.asked.sha256}, answer {answer}"

    def _none(self, code: str, why: str, remedy: str = "") -> Opinion:
        return Opinion(
            self.model, self.asked.portion, "none", why, self._proof, code=code, remedy=remedy
        )

    def _late(self, stop: StopReason) -> Opinion:
        limits = {"wall-clock": "review_s", "idle": "idle_s", "output": "output_mib"}
        limit = {**limits, "disk": "disk_mib", "entries": "entries"}.get(stop)
        remedy = "" if limit is None else how_to_raise(limit)
        return self._none("late", f"the reviewer was stopped: {stop}", remedy)


def _exhausted(line: str) -> BudgetError:
    """`line` as the broker says it: `requests 200`; its wall clock is the reviewer's own."""
    limit, _, bound = line.partition(" ")
    limit = {"wall_s": "review_s"}.get(limit, limit)
    return BudgetError(f"the reviewer was stopped: {limit} {bound} ran out", how_to_raise(limit))
