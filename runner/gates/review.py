"""Gate `review`: other models read the whole change and may veto. They can only veto.

1. Every reviewer is another model than the author and the others, by its name and by what its
   provider says answered; each portion is put in a session of its own.
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
from runner.gates import hunks, panel, verdict
from runner.gates.canary import Canary, plant
from runner.gates.panel import NAME, Opinion, Remark, Vote
from runner.gates.portions import Portion, portions
from runner.gates.question import Question, question
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
from runner.records.plan import Plan
from runner.records.provider import same_model
from runner.records.sandbox import StopReason
from runner.records.task import Limits, how_to_raise
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
        """Raises InfraError: a reviewer could not be asked."""
        reviewers = case.plan.reviewers
        if (same := _same(case.plan)) is not None:
            return panel.refused("same-model", same)
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
                rule="limits.requests",
            )
        served = {"the author": case.author}
        found = panel.ask(case.plan, lambda model: self._opinions(case, parts, model, served))
        facts = {
            "provider": case.plan.review_upstream,
            "tree": case.patch.tree,
            "portions": f"{len(parts)}",
        }
        return panel.decide(case.plan, found, facts)

    def _opinions(
        self, case: Case, parts: tuple[Portion, ...], model: str, served: dict[str, str]
    ) -> Iterator[Opinion]:
        """One of each portion, up to the first that is none; `served` is who was answered by what
        model, as providers say it."""
        seed = self.seed or secrets.token_bytes(32)
        for number, blocks in enumerate(parts, 1):
            canary = _planted(case, blocks, seed + f" {case.patch.tree} {model} {number}".encode())
            asked = question(case, parts, number, canary, self.earlier())
            result = case.review(asked.prompt, verdict.SCHEMA, model)
            others = {who: by for who, by in served.items() if who != model}
            opinion = _Heard(case, model, asked, result, others).opinion
            yield opinion
            served[model] = result.usage.served
            if opinion.vote == "none":
                return


def check(case: Case) -> GateReport:
    """As `ReviewGate().check`."""
    return ReviewGate().check(case)


def _same(plan: Plan) -> str | None:
    """Which two are one model, as far as names tell."""
    known = [("author and reviewer", plan.model)]
    for model in plan.reviewers:
        for who, other in known:
            if same_model(model, other):
                return f"{who} are both {other}" + ("" if model == other else f", as {model}")
        known.append(("two reviewers", model))
    return None


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
    others: dict[str, str]
    """Which model answered the author and other reviewers; empty text = nobody knows."""

    @property
    def opinion(self) -> Opinion:
        result = self.result
        if result.exit.stopped == "budget" or result.usage.exhausted is not None:
            return self._over_budget(result.usage.exhausted or "budget")
        if result.exit.stopped is not None:
            return self._late(result.exit.stopped)
        if not result.ok:
            return self._none("failed", f"the reviewer's session failed: {line(result.reason)}")
        if (who := self._double) is not None:
            why = f"{who} was answered by the same model: {line(result.usage.served)}"
            return self._none("same-model", why)
        if not result.message.strip():
            return self._none("empty", "the reviewer said nothing")
        try:
            answer = verdict.parse(result.message)
        except verdict.InvalidAnswerError as error:
            return self._none("invalid", f"the reviewer's answer is invalid: {line(str(error))}")
        return self._objection(answer) or self._vote(answer)

    @property
    def _double(self) -> str | None:
        """Who else heard the model that this reviewer heard."""
        mine = self.result.usage.served
        return next((who for who, by in self.others.items() if mine and same_model(by, mine)), None)

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
        by = self.result.usage.served
        told = f", by {line(by)}" if by else ""
        return f"nonce {self.asked.nonce}, prompt {self.asked.sha256}, answer {answer}{told}"

    def _none(self, code: str, why: str, remedy: str = "", rule: str = "") -> Opinion:
        return Opinion(
            self.model, self.asked.portion, "none", why, self._proof, (), code, remedy, rule
        )

    def _late(self, stop: StopReason) -> Opinion:
        limits = {"wall-clock": "review_s", "idle": "idle_s", "output": "output_mib"}
        limit = {**limits, "disk": "disk_mib", "entries": "entries"}.get(stop)
        why = f"the reviewer was stopped: {stop}"
        if limit is None:
            return self._none("late", why)
        return self._none("late", why, how_to_raise(limit), f"limits.{limit}")

    def _over_budget(self, line: str) -> Opinion:
        """`line` as the broker says it: `requests 200`; its wall clock is the reviewer's own."""
        limit, _, bound = line.partition(" ")
        if limit == "wall_s":
            return self._late("wall-clock")
        rule = f"budget.{limit}"
        if limit in Limits.model_fields:  # what the broker was given is what others had left
            bound, rule = f"{getattr(self.case.plan.limits, limit)}", f"limits.{limit}"
        why = f"the reviewers' budget ran out: {limit} {bound}".rstrip()
        return self._none("over-budget", why, how_to_raise(limit), rule)
