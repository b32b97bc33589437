"""A reviewing model beside an author that waits: `[approvals] auto`, at level 1 only.

1. One question for what waits at a time, each request in one question at most, and only so many
   questions a session: all of a reviewer's sessions share one budget.
2. It is a session as every reviewer's: another model, an empty sandbox, no tools, a schema. Nobody
   waits for it longer than for a person, who may answer first.
3. Time, error, another form, another nonce, the author's own model: a person decides, as before.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread

from runner.approvals.auto import review
from runner.approvals.auto_question import MOST_REQUESTS, Question, fits
from runner.approvals.queue import Queue
from runner.errors import InfraError, RunnerError
from runner.records.approval import ApprovalRequest
from runner.records.plan import Plan
from runner.records.provider import same_model
from runner.world import Ask

POLL_S = 0.25
MOST_QUESTIONS = 20
"""Of one session; what waits after that waits for a person alone."""
LEVEL = 1


@dataclass(frozen=True, slots=True)
class Advising:
    """`with Advising(...)(ask):` around the author's session."""

    plan: Plan
    queue: Queue
    waits: Callable[[], bool]
    """Whether the author waits for anything."""
    served: Callable[[], str]
    """Which model answers the author, as its provider says; empty = it does not."""

    @contextmanager
    def __call__(self, ask: Ask) -> Iterator[None]:
        over = Event()
        thread = Thread(target=self._look, args=(ask, over), name="advising")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _look(self, ask: Ask, over: Event) -> None:
        """Until it is over. A queue that cannot be used is the gate's to tell."""
        asked: set[str] = set()
        left = MOST_QUESTIONS
        while left and not over.wait(POLL_S):
            with suppress(RunnerError):
                new = self._new(asked) if self.waits() else ()
                if new:
                    left -= 1
                    asked |= {each.id for each in new}
                    self._ask(ask, Question(secrets.token_hex(16), new), over)

    def _new(self, asked: set[str]) -> tuple[ApprovalRequest, ...]:
        waiting = self.queue.unadvised(self.plan.run)
        return tuple(x for x in waiting if x.id not in asked and fits(x))[:MOST_REQUESTS]

    def _ask(self, ask: Ask, question: Question, over: Event) -> None:
        def useless() -> bool:
            return over.is_set() or not self.waits()

        def said(question: Question) -> str:
            """Raises RunnerError: nothing that counts."""
            result = ask(question.prompt, question.schema, useless)
            by, author = result.usage.served, self.served()
            if not result.ok or (by and author and same_model(by, author)):
                raise InfraError("the reviewer gave no answer that counts", "a person decides")
            return result.message

        review(self.queue, question, said, self.plan.reviewer_model)


def advises(plan: Plan) -> bool:
    """Whether a reviewer is asked in this run."""
    return (
        bool(plan.approvals.auto)
        and plan.approvals.commands
        and plan.standing.level == LEVEL
        and not same_model(plan.model, plan.reviewer_model)
    )
